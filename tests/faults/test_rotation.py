"""A database's password that is changed while an API and a worker run: nobody is restarted, and nothing is told."""

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import pytest

from tests.faults.processes import Api
from tests.faults.world import World

pytestmark = pytest.mark.faults

PASSWORDS = ["app", "a-second-password", "a/third:pass@word"]
PATIENCE = 15  # seconds in which a new password must be known


@dataclass(frozen=True)
class NamedSecret:
    """The process is given where the password is, and not what it is."""

    name: str
    aws_url: str

    def install(self) -> None:
        from django.db import connections

        os.environ["AWS_ENDPOINT_URL_SECRETSMANAGER"] = self.aws_url
        connections.settings["default"] |= {
            "ENGINE": "ytbackend.mysql",
            "USER": "",
            "PASSWORD": "",
            "SECRET": f"secretsmanager:{self.name}",
        }
        with contextlib.suppress(AttributeError):  # nobody has made it yet
            del connections["default"]


class Rotation:
    """The password as the database has it, and as the secret says."""

    def __init__(self, world: World, aws_url: str) -> None:
        self.world = world
        self.client = boto3.client("secretsmanager", region_name="us-east-1", endpoint_url=aws_url)
        self.name = f"db-{uuid.uuid4()}"
        self.client.create_secret(Name=self.name, SecretString=self._text(PASSWORDS[0]))

    @staticmethod
    def _text(password: str) -> str:
        return json.dumps({"username": "app", "password": password})

    def in_database(self, password: str) -> None:
        """From now on it takes no other; and nobody is left who came in with the old one."""
        with contextlib.closing(self.world.server.connect()) as root, root.cursor() as cursor:
            cursor.execute("ALTER USER app@127.0.0.1 IDENTIFIED BY %s", [password])
        self.world.database.hang_up()

    def in_secret(self, password: str) -> None:
        self.client.put_secret_value(SecretId=self.name, SecretString=self._text(password))


@pytest.fixture
def rotation(world, aws) -> Iterator[Rotation]:
    rotation = Rotation(world, aws)
    yield rotation
    rotation.in_database(PASSWORDS[0])
    rotation.client.close()


def wait_until_known(world: World, api: Api, statuses: list[int]) -> None:
    """Asks until it is answered."""

    def answered() -> bool:
        statuses.append(api.call("GET", "/videos").status)
        return statuses[-1] == 200

    world.wait_for(answered, "the new password is known", within=PATIENCE)


def test_a_password_is_changed_twice_and_nobody_is_restarted(world, aws, rotation):
    named = NamedSecret(rotation.name, aws)
    api, worker = world.api(named, role="lambda"), world.worker(named)
    statuses = [api.call("GET", "/videos").status]
    video = world.submit(world.clip().hold())
    world.wait_until_reading(video)

    for password in PASSWORDS[1:]:
        rotation.in_database(password)
        statuses.append(api.call("GET", "/videos").status)  # the secret is still the old one
        rotation.in_secret(password)
        wait_until_known(world, api, statuses)
    world.clip_of(video).let_go()
    world.wait_until(video, "completed")
    world.wait_for(lambda: not world.waiting(), "the message is deleted")

    assert set(statuses) == {200, 503}
    assert statuses[-1] == 200
    assert (worker.alive, api.alive, world.outcomes(video)) == (True, True, ["completed"])
    logs = api.log() + worker.log()
    assert "1045" in logs
    assert "a bug" not in logs
    assert "Traceback" not in logs
    assert [password for password in PASSWORDS[1:] if password in logs] == []


def test_a_password_that_the_secret_has_first_is_found_without_a_failure(world, aws, rotation):
    world.constants["ytbackend.vault.REFUSED_SECONDS"] = 0  # as if the last question had been a while ago
    api = world.api(NamedSecret(rotation.name, aws), role="lambda")
    assert api.call("GET", "/videos").status == 200

    rotation.in_secret(PASSWORDS[1])
    rotation.in_database(PASSWORDS[1])

    assert [api.call("GET", "/videos").status for _ in range(5)] == [200] * 5
    assert PASSWORDS[1] not in api.log()
