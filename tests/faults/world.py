"""A world of one test's own: its videos, its queue, its processes; and what must hold when peace has come back.

``submit`` what is to be done, start processes with hooks, spoil the weather of ``database``, ``queue`` or
``storage``, and then ``converge``: healthy workers and sweeps run until there is nothing left to do, and
the invariants are checked.
"""

import contextlib
import functools
import itertools
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import MySQLdb.connections
from django.apps import apps
from django.db import Error as DatabaseFailed
from django.db import connection
from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.sqs.models import sqs_backends

from accounts.models import User
from tests import builders, tokens
from tests.faults import hooks
from tests.faults.clips import Clip
from tests.faults.hooks import Hook
from tests.faults.invariants import Peace, is_ours
from tests.faults.processes import Api, Plan, Process
from tests.faults.surroundings import BUCKET, TIMES, Surroundings
from transcripts.models import Transcript
from videos import queue, services
from videos.models import Deletion, Video

POLL_SECONDS = 0.05
_ENDED = (Video.Status.COMPLETED, Video.Status.FAILED)


class World:
    """What a row works with. ``bug`` is taken into every process that it starts (see ``bugs.py``)."""

    def __init__(self, surroundings: Surroundings, folder: Path) -> None:
        self.bug = ""
        self.constants: dict[str, Any] = {}  # of modules, for every process that it starts
        self.patience = 1.0  # part of each time limit that is waited for
        self.database, self.queue, self.storage = surroundings.proxies
        self.server, self.youtube = surroundings.server, surroundings.youtube
        self._database_port = surroundings.database.target[1]
        self._aws_url = surroundings.aws_url
        self._folder = folder
        self._numbers = itertools.count(1)
        self.processes: list[Process] = []
        self.submitted: set[uuid.UUID] = set()
        self.clips: dict[str, Clip] = {}
        self._sqs, self._s3 = (
            boto3.client(service, region_name="us-east-1", endpoint_url=self._aws_url) for service in ("sqs", "s3")
        )
        self.dead_letter_url, self.queue_url = self._create_queues()

    def _create_queues(self) -> tuple[str, str]:
        name = uuid.uuid4().hex[:12]
        dead = self._sqs.create_queue(QueueName=f"dead-{name}")["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": 10}
        attributes = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "3"}
        return dead, self._sqs.create_queue(QueueName=f"jobs-{name}", Attributes=attributes)["QueueUrl"]

    def end(self) -> None:
        """Nothing of this world is left for the next one."""
        for clip in self.clips.values():
            clip.let_go()
        for process in self.processes:
            process.end()
        for proxy in (self.database, self.queue, self.storage):
            proxy.heal()
        with connection.cursor() as cursor:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
            for model in apps.get_models():
                if model._meta.app_label in ("accounts", "videos", "transcripts"):
                    cursor.execute(f"DELETE FROM {model._meta.db_table}")
            cursor.execute("SET FOREIGN_KEY_CHECKS = 1")
        connection.close()
        for key in self.objects():
            self._s3.delete_object(Bucket=BUCKET, Key=key)
        for url in (self.queue_url, self.dead_letter_url):
            self._sqs.delete_queue(QueueUrl=url)
        self._sqs.close()
        self._s3.close()
        self.youtube.videos.clear()
        self.youtube.log.clear()

    # --- What people do

    def clip(self, **options: Any) -> Clip:
        """A video on YouTube."""
        clip = Clip(**options)
        self.clips[clip.id] = self.youtube.videos[clip.id] = clip
        return clip

    def submit(self, clip: Clip | None = None, *, user: str = tokens.ALICE) -> Video:
        """Asks for a transcript, past the API's process and in fine weather."""
        clip = clip or self.clip()
        owner: User = builders.user(user)
        video, _ = services.submit_video(user=owner, youtube_id=clip.id, mode="captions", language="")
        self.submitted.add(video.pk)
        return video

    def clip_of(self, video: Video) -> Clip:
        return self.clips[video.youtube_id]

    # --- Processes

    def hook(self, point: str, action: Callable[[], Any], *, always: bool = False, nth: int = 1) -> Hook:
        """Something happens at that point: once, or each time; at the first or the nth time that a process comes by."""
        return Hook(point, action, self._folder / f"{point}-{next(self._numbers)}.reached", always, nth)

    def kill_at(self, point: str, *, always: bool = False, nth: int = 1) -> Hook:
        return self.hook(point, hooks.kill, always=always, nth=nth)

    def freeze_at(self, point: str) -> Hook:
        return self.hook(point, hooks.freeze)

    def worker(self, *points: Hook, clock: float = 0, **settings: Any) -> Process:
        return self._start(Process, "worker", points, settings, clock)

    def workers(self, number: int, *points: Hook) -> list[Process]:
        return [self.worker(*points) for _ in range(number)]

    def sweeper(self, *points: Hook, **settings: Any) -> Process:
        """Sweeps again and again."""
        return self._start(Process, "sweeper", points, settings)

    def sweep(self, *points: Hook, **settings: Any) -> int:
        """Sweeps once; gives the exit code."""
        return self._start(Process, "sweep", points, settings).exit_code(within=30)

    def api(self, *points: Hook, role: str = "api", **settings: Any) -> Api:
        """``role`` may be ``lambda``: one request at a time."""
        return self._start(Api, role, points, settings)

    def _start(
        self, kind: type[Any], role: str, points: tuple[Hook, ...], settings: Mapping[str, Any], clock: float = 0
    ) -> Any:
        url = self.queue_url.replace(self._aws_url.partition("://")[2], self.queue.address)
        log = self._folder / f"{len(self.processes) + 1:02}-{role}.log"
        plan = Plan(role, log, {"SQS_QUEUE_URL": url, **settings}, points, self.bug, dict(self.constants), clock)
        process = kind(plan)
        self.processes.append(process)
        return process

    def connect_as_app(self) -> MySQLdb.connections.Connection:
        """A connection as the processes have them, past the proxy."""
        return MySQLdb.connect(host="127.0.0.1", port=self._database_port, user="app", password="app")

    # --- Looking

    def now(self, video: Video) -> Video:
        """The row as it is."""
        return Video.objects.get(pk=video.pk)

    def status(self, video: Video) -> str:
        """The row's, or ``deleted``."""
        return Video.objects.filter(pk=video.pk).values_list("status", flat=True).first() or "deleted"

    def text(self, video: Video) -> str:
        return Transcript.objects.get(video=video).content

    def outcomes(self, video: Video) -> list[str]:
        """How its attempts ended, in their order."""
        return list(video.attempts.order_by("fence").values_list("outcome", flat=True))

    def causes(self, video: Video, outcome: str) -> list[str]:
        """The codes of those of its attempts that ended so, in their order."""
        return list(video.attempts.filter(outcome=outcome).order_by("fence").values_list("error_code", flat=True))

    def objects(self, video: Video | None = None) -> dict[str, Callable[[], bytes]]:
        """The keys in the bucket, with how to read each."""
        prefix = video.files_prefix if video else ""
        listed = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {entry["Key"]: functools.partial(self.read, entry["Key"]) for entry in listed}

    def read(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def waiting(self) -> int:
        """Messages in the queue: visible, in flight or delayed."""
        return self._messages("", "NotVisible", "Delayed")

    def visible(self) -> int:
        """Messages that the next worker to ask would get."""
        return self._messages("")

    def settled(self) -> bool:
        """Whether workers are done with every message that they could have; what is delayed may wait on.

        A worker deletes its message last, after it has sent the one that comes back.
        """
        return not self._messages("", "NotVisible")

    def _messages(self, *kinds: str) -> int:
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        found = self._sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def send(self, body: str | Video) -> None:
        """A message more."""
        self._sqs.send_message(QueueUrl=self.queue_url, MessageBody=self._body(body))

    def put_aside_after(self, receives: int) -> None:
        """So often may a message be received before it becomes a dead letter."""
        found = self._sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["RedrivePolicy"])
        policy = json.loads(found["Attributes"]["RedrivePolicy"]) | {"maxReceiveCount": receives}
        self._sqs.set_queue_attributes(QueueUrl=self.queue_url, Attributes={"RedrivePolicy": json.dumps(policy)})

    def bury(self, body: str | Video) -> None:
        """A dead letter."""
        self._sqs.send_message(QueueUrl=self.dead_letter_url, MessageBody=self._body(body))

    @staticmethod
    def _body(body: str | Video) -> str:
        return body if isinstance(body, str) else queue.body(body)

    def purge(self) -> None:
        """Every message is gone; unless that was so a minute ago, which SQS does not do again."""
        with contextlib.suppress(self._sqs.exceptions.PurgeQueueInProgress):
            self._sqs.purge_queue(QueueUrl=self.queue_url)

    def dead_letters(self) -> list[str]:
        """The bodies, also of those that somebody is looking at."""
        queues = sqs_backends[ACCOUNT_ID]["us-east-1"].queues
        return [message.body for message in queues[self.dead_letter_url.rpartition("/")[2]]._messages]

    def extractions(self) -> Counter[str]:
        """How often YouTube was asked what a video is."""
        return Counter(request.video_id for request in self.youtube.log if request.endpoint == "watch")

    # --- Waiting

    def wait_for(self, condition: Callable[[], Any], what: str, *, within: float = 30) -> None:
        """Fails with ``what`` where the condition does not come true in time."""
        within *= self.patience
        end = time.monotonic() + within
        while not self._holds(condition):
            assert time.monotonic() < end, f"not within {within} s: {what}"
            time.sleep(POLL_SECONDS)

    @staticmethod
    def _holds(condition: Callable[[], Any]) -> bool:
        try:
            return bool(condition())
        except DatabaseFailed:  # it is being killed and started
            connection.close()
            return False

    def wait_until(self, video: Video, status: str, *, within: float = 30) -> None:
        self.wait_for(lambda: self.status(video) == status, f"video is {status}", within=within)

    def wait_until_reading(self, video: Video, *, times: int = 1) -> None:
        """Its captions have been asked for, so many times in all."""

        def asked() -> bool:
            asked_for = [request.video_id for request in self.youtube.log if request.endpoint == "timedtext"]
            return asked_for.count(video.youtube_id) >= times

        self.wait_for(asked, "a worker reads the captions")

    def let_pass(self, seconds: float) -> None:
        """Where it is time itself that must do no harm."""
        time.sleep(seconds)

    # --- Peace

    def converge(self, *, within: float = 45, workers: int = 2, parked: bool = True) -> None:
        """Healthy workers and sweeps run until nothing is left to do; then every invariant must hold.

        With ``parked``, what waits for YouTube to answer anybody again may go on waiting.
        """
        self.workers(workers)
        self.sweeper()
        unrest: list[str] = []

        def quiet() -> bool:
            unrest[:] = self._unrest(parked)
            return not unrest

        try:
            self.wait_for(quiet, "peace", within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}: {'; '.join(unrest)}") from None
        self.check_invariants()

    def _unrest(self, parked: bool) -> list[str]:
        at_work = Video.objects.exclude(status__in=_ENDED)
        if parked:
            at_work = at_work.exclude(status=Video.Status.QUEUED, error_code="source_unavailable")
        found = [f"I1 {video.status} for ever: {video.error_code} ({video.pk})" for video in at_work]
        if waiting := self.waiting():
            found.append(f"I5 {waiting} messages are in the queue")
        if any(is_ours(body) for body in self.dead_letters()):
            found.append("I5 dead letters are ours")
        if Deletion.objects.due().exists():
            found.append("I4 deletions are due")
        return found

    def check_invariants(self) -> None:
        """Fails with the name of every invariant that does not hold."""
        peace = Peace(
            objects=self.objects(),
            waiting=self.waiting(),
            dead_letters=self.dead_letters(),
            submitted=frozenset(self.submitted),
            extractions=self.extractions(),
            max_attempts=TIMES["MAX_ATTEMPTS"],
        )
        violations = peace.violations()
        assert not violations, "; ".join(violations)
