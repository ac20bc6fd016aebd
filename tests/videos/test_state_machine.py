"""The state machine of a video under any order of events, against an oracle; and whether that would notice a bug."""

import inspect
import logging
import os
import sys
import textwrap

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase
from hypothesis import settings as how
from hypothesis.stateful import run_state_machine_as_test

from tests.videos import model
from transcripts import stored
from transcripts.models import TranscriptQuerySet
from transcripts.worker import loop, pipeline
from videos import dead_letters, queue, quotas, services
from videos.attempts import AttemptQuerySet
from videos.models import Deletion, Video, VideoQuerySet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]

# A number makes a long run that goes other ways each time; without it, each run goes the same ways.
EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))


@pytest.fixture(autouse=True)
def _outside(settings, monkeypatch, tmp_path):
    settings.MAX_ATTEMPTS = model.MAX_ATTEMPTS
    settings.LEASE_SECONDS = settings.RETRY_BASE_SECONDS = 300  # no time passes but by the machine's steps
    settings.PATIENCE_SECONDS = 0
    settings.QUOTA_SUBMISSIONS_PER_DAY = 0  # users here never rest
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.videos.model.Shelf", "OPTIONS": {"location": tmp_path}}
    }
    for name in ("send", "dead_letter_url", "receive_dead", "delete_dead"):
        monkeypatch.setattr(queue, name, getattr(model.Outside, name))
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def explore(examples: int, **options) -> None:
    run_state_machine_as_test(
        model.Machine,
        settings=how(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=not EXAMPLES,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


def test_it_does_what_the_oracle_says_in_any_order_of_events():
    explore(EXAMPLES or 40)

    assert not Video.objects.filter(status__in=["queued", "processing"]).exists()


# What the code says, and what it might say instead. Left out is what this model cannot tell apart:
# - _leave that deletes nothing: whoever has taken the claim away has noted its files, and the sweep deletes them.
# - select_for_update left out: steps do not overlap here (tests/faults has those that do).
# - transaction.atomic left out: no step breaks off in the middle here (likewise).
BUGS = {
    # --- claims
    "a claim takes what is in work": (
        VideoQuerySet.claim,
        "status=Video.Status.QUEUED)",
        'status__in=["queued", "processing"])',
    ),
    "a claim takes what has ended": (
        VideoQuerySet.claim,
        "status=Video.Status.QUEUED)",
        'status__in=["queued", "failed"])',
    ),
    "a claim does not wait": (VideoQuerySet.claim, "filter(due, ", "filter("),
    "a claim raises no fence": (VideoQuerySet.claim, 'fence=F("fence") + 1,', ""),
    "a claim is not counted": (VideoQuerySet.claim, 'attempt=F("attempt") + 1,', ""),
    "a claim is recorded twice when its answer is lost": (VideoQuerySet.claim, "if won and video", "if video"),
    "a claim does not know itself when its answer is lost": (
        VideoQuerySet.claim,
        "if won and video:",
        "if not won:\n            return None\n        if video:",
    ),
    "a claim that has ended still knows its token": (Video._ended, '"lease_token": "", ', ""),
    "a claim is not recorded": (VideoQuerySet.claim, "if won and video", "if not video"),
    "a claim does not forget the last error": (VideoQuerySet.claim, 'error_code="",', ""),
    "a claim ignores the lease of another": (VideoQuerySet.abandoned, ", lease_expires_at__lt=Now()", ""),
    # --- a worker's writes
    "a write names no fence": (Video._write, ", fence=self.fence", ""),
    "a write names no status": (Video._write, ", status=self.Status.PROCESSING", ""),
    "a write names no video": (Video._write, "pk=self.pk, ", ""),
    "a heartbeat does not extend the lease": (Video.extend, "lease_expires_at=from_now(settings.LEASE_SECONDS)", ""),
    "complete does not know itself when its answer is lost": (Video.complete, " or mine.first() is not None", ""),
    "complete takes the work of another for its own": (
        Video.complete,
        "status=self.Status.COMPLETED, fence=self.fence",
        "status=self.Status.COMPLETED",
    ),
    "complete is true whatever happened": (Video.complete, "mine.first() is not None", "True"),
    "complete forgets the audio": (Video.complete, ', "s3_path": s3_path', ""),
    "the transcript is stored although the claim is lost": (pipeline._store, "return False", "pass"),
    "the transcript that is replaced keeps its files": (pipeline._store, "if replaced and", "if not replaced and"),
    "the transcript replaces itself when the answer is lost": (
        pipeline._store,
        "if replaced and replaced != transcript.s3_path",
        "if replaced",
    ),
    "the transcript names the file of an earlier one": (
        TranscriptQuerySet.store,
        "transcript.pk, replaced,",
        "transcript.pk, transcript.s3_path,",
    ),
    "a release raises no fence": (Video.release, "| why", '| {"fence": F("fence")} | why'),
    "a release does not wait": (Video.release, '{"retry_at": from_now(delay)}', "{}"),
    "a release always counts": (Video.release, '{"attempt": F("attempt") - 1}', "{}"),
    "a release never counts": (Video.release, "if counted:", "if False:"),
    "a video that was refused is waited for from its start on": (
        Video.tries,
        "started_at__gte=self.requested_at",
        "",
    ),
    "attempts are not limited": (loop._is_used_up, "video.attempt >= settings.MAX_ATTEMPTS", "False"),
    "patience is not limited": (loop._is_used_up, "video.was_tried_for(settings.GIVE_UP_HOURS, but=_WAITED)", "False"),
    "what is permanent is tried again": (loop._settle, "error.permanent or repeated", "repeated"),
    "an attempt's files are not noted for deletion": (
        services.end_attempt,
        "Deletion.objects.get_or_create(prefix=video.attempt_prefix)",
        "pass",
    ),
    "the next attempt's files are noted for deletion": (
        services.end_attempt,
        "prefix=video.attempt_prefix",
        'prefix=f"{video.files_prefix}{video.fence + 1}/"',
    ),
    "a worker that has lost its claim deletes what it had finished": (
        loop._leave,
        "if not repeated(named.exists, seconds=SETTLE_SECONDS)",
        "if True",
    ),
    # --- what anybody does
    "the sweep never gives up": (Video.abandon, "self.attempt >= settings.MAX_ATTEMPTS", "False"),
    "the sweep gives up at once": (Video.abandon, "self.attempt >= settings.MAX_ATTEMPTS", "True"),
    "the sweep moves what it has read long ago": (Video._move, ", fence=self.fence", ""),
    "what was set aside stays set aside": (Video._record, "Reservation.objects.end(self, listened_ms=listened_ms)", ""),
    "the lost attempt goes on in the record": (Video._move, "if moved", "if not moved"),
    "every attempt is ended anew": (AttemptQuerySet.end, ", outcome=Attempt.Outcome.RUNNING", ""),
    "what goes back into the queue raises no fence": (Video._requeued, '"fence": F("fence") + 1, ', ""),
    "what goes back into the queue is not sent again": (Video._requeued, ', "enqueued_at": None', ""),
    "what was read long ago is stamped as sent": (Video._wait, ", fence=self.fence", ""),
    "what is in work waits in the queue": (Video._wait, "status=self.Status.QUEUED, ", ""),
    "what is parked is not sent again": (Video.park, ", enqueued_at=None", ""),
    "parking raises no fence": (Video.park, ', fence=F("fence") + 1', ""),
    "giving up raises no fence": (Video.give_up, ', fence=F("fence") + 1', ""),
    "reprocess raises no fence": (Video.anew, "| asked", '| asked | {"fence": F("fence")}'),
    "reprocess keeps the attempts": (Video.anew, '"attempt": 0, ', ""),
    "reprocess keeps the time of the request": (Video.anew, ', "requested_at": Now()', ""),
    "what an operator asks for is charged": (services._start_anew, "unmetered=not counted", "unmetered=False"),
    "reprocess forgets the audio at once": (Video.anew, "| asked", '| asked | {"s3_path": ""}'),
    "reprocess needs no force": (services.reprocess_video, "if force", "if True"),
    "retry takes what is completed": (services.retry_video, "[Video.Status.FAILED]", '["failed", "completed"]'),
    "retry takes what is in work": (services.retry_video, "[Video.Status.FAILED]", '["failed", "processing"]'),
    "cancel raises no fence": (Video.cancel, ' | {"fence": F("fence") + 1}', ""),
    "cancel takes what has ended": (
        Video.cancel,
        "rows = Video.objects.filter(status__in=[self.Status.QUEUED, self.Status.PROCESSING])",
        "rows = Video.objects",
    ),
    "the files of a worker that loses its video stay": (
        services._transfer,
        "Deletion.objects.get_or_create(prefix=row.attempt_prefix)",
        "pass",
    ),
    "the files of what waits are deleted": (services._transfer, "if row.status == Video.Status.PROCESSING", "if True"),
    "the files of what was deleted stay": (
        services._delete_row,
        "return Deletion.objects.get_or_create(prefix=video.files_prefix)[0]",
        "return None",
    ),
    "what could not be deleted is forgotten": (services.delete_files, "if gone", "if True"),
    "what was deleted is not looked at again": (Deletion.succeeded, "if self.due_at >= last_look", "if True"),
    "who has lost a claim takes speech from the one who has it": (
        quotas.reserve,
        ", fence=video.fence",
        "",
    ),
    # --- the outbox
    "what is not sent is stamped": (services.send, "queue.send(video", "video.sent() and queue.send(video"),
    "what is sent is not stamped": (services.send, "video.sent()", "pass"),
    "what waits is sent": (VideoQuerySet.unsent, "filter(due, ", "filter("),
    "what was sent long ago is not sent again": (
        VideoQuerySet.unsent,
        " | Q(enqueued_at__lt=from_now(-resend_after))",
        "",
    ),
    "what was received too often is not sent again": (dead_letters.settle, "video.unsent()", "pass"),
    "what was submitted again is not started": (
        services._submit,
        "_started(wanted, video)",
        "(video, False) if video else _started(wanted, video)",
    ),
    # --- files against rows
    "files of claims that live are deleted": (stored._unnamed, "and match[1] not in working", ""),
    "files that rows name are deleted": (stored._unnamed, "key not in named and ", ""),
    "lost audio is not forgotten": (
        stored._restore,
        "video.forget_audio(bytes_left=len(document(transcript)))",
        "True",
    ),
}


# In each run those that any exploration finds soon; in a long run all of them.
SOON = [
    "a claim takes what is in work",
    "a claim raises no fence",
    "a claim ignores the lease of another",
    "a write names no fence",
    "attempts are not limited",
    "reprocess raises no fence",
    "cancel raises no fence",
    "what was set aside stays set aside",
    "the files of what was deleted stay",
]


def seed(monkeypatch, function, old: str, new: str) -> None:
    """Replaces a function by one in which the text says something else."""
    source = textwrap.dedent(inspect.getsource(function))
    assert old in source, "the code has changed: say the bug anew"
    module = sys.modules[function.__module__]
    there: dict[str, object] = {}
    exec(source.replace(old, new), module.__dict__, there)
    *owner, name = function.__qualname__.split(".")
    monkeypatch.setattr(getattr(module, owner[0]) if owner else module, name, there[name])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="It is the model that is tested here, not the database.")
@pytest.mark.parametrize("bug", BUGS if EXAMPLES else SOON)
def test_the_model_notices_that(bug, monkeypatch):
    seed(monkeypatch, *BUGS[bug])

    with pytest.raises(BaseException) as noticed:  # noqa: PT011 - the machine's own, or what the database refuses
        explore(EXAMPLES or 300, report_multiple_bugs=False)

    assert not isinstance(noticed.value, KeyboardInterrupt)
