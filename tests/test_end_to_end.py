"""The whole way with everything real but the far side of the network: Cognito's sign-up, API, SQS, worker, S3."""

import urllib.request

import boto3
import pytest
from botocore.client import BaseClient
from django.conf import settings as project
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient
from yt_dlp import YoutubeDL

from transcripts.worker.loop import Worker
from videos.models import Deletion, Video

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tokens(aws, settings) -> dict[str, str]:
    """What Cognito hands a user who has signed up, confirmed and signed in: ``id`` and ``access``."""
    cognito = boto3.client("cognito-idp", region_name="us-east-1", endpoint_url=aws)
    pool = cognito.create_user_pool(PoolName="users", UsernameAttributes=["email"])["UserPool"]["Id"]
    app = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="web", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    name, password = "alice@example.com", "Correct-horse-7"
    email = [{"Name": "email", "Value": name}]
    cognito.sign_up(ClientId=app, Username=name, Password=password, UserAttributes=email)
    cognito.admin_confirm_sign_up(UserPoolId=pool, Username=name)
    signed_in = cognito.initiate_auth(
        ClientId=app, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": name, "PASSWORD": password}
    )["AuthenticationResult"]
    cognito.close()
    settings.COGNITO_USER_POOL_ID, settings.COGNITO_CLIENT_IDS = pool, [app]
    with urllib.request.urlopen(f"{aws}/{pool}/.well-known/jwks.json") as answer:
        settings.COGNITO_JWKS = answer.read().decode()
    return {"id": signed_in["IdToken"], "access": signed_in["AccessToken"]}


@pytest.mark.parametrize("kind", ["id", "access"])
def test_a_user_of_cognito_gets_a_transcript_and_deletes_it(tokens, kind, stand_in, small_model, sqs, bucket, aws):
    client = APIClient()
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens[kind]}")

    submitted = client.post("/analyze", {"url": "https://youtu.be/SampleVoice"})
    assert submitted.status_code == 202
    assert Worker(poll_seconds=0).handle_one()

    address = submitted["Location"]
    video = client.get(address).json()
    assert (video["status"], video["source"]) == ("completed", "speech")
    assert [listed["id"] for listed in client.get("/videos").json()["results"]] == [video["id"]]
    assert client.get("/me").json()["token_use"] == kind
    assert client.post(f"{address}/retry").status_code == 409

    transcript = client.get(f"{address}/transcript").json()
    assert "transcripts" in transcript["content"]
    assert client.get("/transcripts").json()["results"][0]["id"] == transcript["id"]
    assert client.get(f"/transcripts/{transcript['id']}").json() == transcript
    assert client.get(f"{address}/transcript?format=srt").content.startswith(b"1\n00:00:0")

    with urllib.request.urlopen(client.get(f"{address}/audio")["Location"]) as audio:
        assert audio.read() == (project.BASE_DIR / "local/sample/talk.webm").read_bytes()

    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert not Video.objects.exists()
    assert Deletion.objects.exists()
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=aws)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    s3.close()


def test_no_transaction_is_open_while_the_network_is_waited_for(
    alice, stand_in, small_model, sqs, bucket, settings, monkeypatch
):
    waited = []

    def watch(kind: type, name: str) -> None:
        original = getattr(kind, name)

        def call(*args, **options):
            waited.append(connection.in_atomic_block)
            return original(*args, **options)

        monkeypatch.setattr(kind, name, call)

    watch(BaseClient, "_make_api_call")
    watch(YoutubeDL, "urlopen")
    settings.MAX_ATTEMPTS = 1
    fine, spoken = (f"https://youtu.be/{youtube_id}" for youtube_id in ("SampleCapt1", "SampleVoice"))
    for body in (
        {"url": fine},
        {"url": spoken},
        {"url": spoken, "mode": "captions"},
        {"url": "https://youtu.be/nosuchvideo"},
    ):
        alice.post("/analyze", body)
    Worker(poll_seconds=0).run(idle_exit=0)
    for video in alice.get("/videos").json()["results"]:
        alice.post(f"/videos/{video['id']}/retry")
    call_command("reprocess", str(Video.objects.get(youtube_id="SampleCapt1").pk))
    Worker(poll_seconds=0).run(idle_exit=0)
    for video in alice.get("/videos").json()["results"]:
        alice.delete(f"/videos/{video['id']}")
    call_command("sweep")

    assert len(waited) > 50
    assert not any(waited)


@pytest.mark.skipif(connection.vendor != "mysql", reason="SQLite has no isolation levels")
def test_what_others_have_committed_is_seen_at_once():
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@tx_isolation")

        assert cursor.fetchone() == ("READ-COMMITTED",)
