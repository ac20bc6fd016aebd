"""Guards taken away, one at a time: the rows must notice (``test_teeth.py``).

Each bug is planted in a process before it begins to work. It is what somebody might have written.
"""

import contextlib
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

from tests.faults.hooks import replace, wrap


def plant(name: str) -> None:
    """In this process, from now on."""
    BUGS[name]()


def no_fence() -> None:
    """A worker writes to whatever is in work, also when it is another's work by now."""
    from videos.models import Video

    def write(video: Video, **changes: Any) -> bool:
        return Video.objects.filter(pk=video.pk, status=Video.Status.PROCESSING).update(**changes) == 1

    replace(Video, "_write", write)


def blind_completion() -> None:
    """A worker completes the row whatever has become of it."""
    from videos.models import Video

    def write(video: Video, **changes: Any) -> bool:
        return Video.objects.filter(pk=video.pk).update(**changes) == 1

    def complete(original: Callable[..., bool], video: Video, **said: Any) -> bool:
        with mock.patch.object(Video, "_write", write):
            return original(video, **said)

    wrap(Video, "complete", complete)


def saved_completion() -> None:
    """A worker completes the row by ``save``, which inserts it where it has been deleted."""
    from django.utils import timezone

    from videos.models import Video

    def complete(original: Callable[..., bool], video: Video, **said: Any) -> bool:
        video.status, video.lease_expires_at, video.completed_at = Video.Status.COMPLETED, None, timezone.now()
        video.save()
        return True

    wrap(Video, "complete", complete)


def no_limit_of_attempts() -> None:
    """What kills its worker is tried for ever."""
    from django.conf import settings

    settings.MAX_ATTEMPTS = 1000


def claims_ignore_leases() -> None:
    """What another worker is busy with can be claimed."""
    from videos.models import Video, VideoQuerySet

    def claim(original: Callable[..., Any], rows: VideoQuerySet, video_id: Any, **options: Any) -> Any:
        free = {"status": Video.Status.QUEUED, "lease_expires_at": None}
        Video.objects.filter(pk=video_id, status=Video.Status.PROCESSING).update(**free)
        return original(rows, video_id, **options)

    wrap(VideoQuerySet, "claim", claim)


def no_heartbeat() -> None:
    """A lease ends where it ended when the job began."""
    from videos.models import Video

    replace(Video, "extend", lambda video: True)


def no_repetition() -> None:
    """A transaction that failed in passing is not run again."""
    from videos import transactions

    replace(transactions, "is_passing", lambda error: False)


def no_second_message() -> None:
    """What was not sent at once is never sent."""
    from videos.models import VideoQuerySet

    replace(VideoQuerySet, "unsent", lambda rows, **options: rows.none())


def no_removal_of_files() -> None:
    """Files of attempts that came to nothing stay."""
    from transcripts import stored
    from videos.models import Deletion

    replace(stored, "_delete_unnamed", lambda deadline: 0)
    wrap(type(Deletion.objects.all()), "due", lambda original, rows: rows.none())


def one_key_for_all_attempts() -> None:
    """Each attempt writes over the file of the one before."""
    from videos.models import Video

    replace(Video, "attempt_prefix", property(lambda video: f"{video.files_prefix}1/"))


def unknown_is_failure() -> None:
    """A worker whose commit was not answered takes it for lost, and clears its file away."""
    from transcripts.worker import loop
    from videos import files
    from videos.models import Video

    def complete(original: Callable[..., bool], video: Video, **said: Any) -> bool:
        ended = Video.objects.filter(pk=video.pk, status=Video.Status.COMPLETED).exists()
        return not ended and original(video, **said)

    def leave(original: Callable[..., bool], video: Video) -> bool:
        files.delete_below(video.attempt_prefix)
        return False

    wrap(Video, "complete", complete)
    wrap(loop, "_leave", leave)


def no_transaction() -> None:
    """Row and transcript are written one after the other."""
    from transcripts.worker import pipeline

    replace(pipeline, "transaction", SimpleNamespace(atomic=contextlib.nullcontext))


def leases_by_the_workers_clock() -> None:
    """When a lease ends, and whether it has ended, each machine says by its own clock."""
    from django.utils import timezone

    from videos import models

    def abandoned(rows: models.VideoQuerySet) -> models.VideoQuerySet:
        return rows.filter(status=models.Video.Status.PROCESSING, lease_expires_at__lt=timezone.now())

    replace(models, "from_now", lambda seconds: timezone.now() + timedelta(seconds=seconds))
    replace(models.VideoQuerySet, "abandoned", abandoned)


def no_breaker() -> None:
    """YouTube is asked again and again, however often it has refused."""
    from videos import breaker

    replace(breaker, "THRESHOLD", 1_000_000)


def queue_errors_cost_the_job() -> None:
    """Who cannot hide his message believes that he has lost the video."""
    from transcripts.worker.claim import Claim
    from videos import queue

    def extend_visibility(original: Callable[..., None], claim: Claim) -> None:
        try:
            queue.extend(claim._message, 3)
        except queue.QueueUnavailable:
            claim._lost.set()

    wrap(Claim, "_extend_visibility", extend_visibility)


def nothing_is_given_back() -> None:
    """A worker that is told to stop leaves its job to whoever misses it."""
    from videos.models import Video

    def release(original: Callable[..., bool], video: Video, code: str, *args: Any, **options: Any) -> bool:
        return code != "worker_stopped" and original(video, code, *args, **options)

    wrap(Video, "release", release)


def no_patience_with_the_queue() -> None:
    """A queue that refuses is asked again at once."""
    from transcripts.worker.loop import Worker

    replace(Worker, "_rest", lambda worker: time.sleep(0.01))


def no_patience_with_the_database() -> None:
    """Work is given back when the database does not answer at once."""
    from django.conf import settings

    settings.PATIENCE_SECONDS = 0.1


def a_token_for_each_try() -> None:
    """A claim whose commit was not answered is taken for another worker's."""
    from videos.models import VideoQuerySet

    def claim(original: Callable[..., Any], rows: VideoQuerySet, video_id: Any, **options: Any) -> Any:
        return original(rows, video_id, **options | {"token": uuid.uuid4().hex})

    wrap(VideoQuerySet, "claim", claim)


def _database() -> dict[str, Any]:
    from django.db import connections

    return connections.settings["default"]


def no_time_limit_for_the_database() -> None:
    """A server that falls silent is waited for."""
    _database()["OPTIONS"]["read_timeout"] = 600


def no_look_at_old_connections() -> None:
    """A connection is taken to be as good as it was."""
    from accounts import prepared

    _database()["CONN_HEALTH_CHECKS"] = False
    replace(prepared, "_GONE", set())


def the_servers_time_zone() -> None:
    """Moments are told in whatever zone the server is in."""
    options = _database()["OPTIONS"]
    options["init_command"] = options["init_command"].replace("time_zone='+00:00'", "time_zone=DEFAULT")


def no_limit_of_size() -> None:
    """Whether a statement is too long, the server will say."""
    from transcripts.worker import pipeline

    replace(pipeline, "MAX_STATEMENT_BYTES", 1_000_000_000)


def no_second_try() -> None:
    """The first error is the last."""
    from django.conf import settings

    settings.MAX_ATTEMPTS = 1


def all_errors_are_tried_again() -> None:
    """What the video itself is the cause of will be better the next time."""
    from transcripts.worker import errors

    replace(errors.VideoError, "permanent", False)


def foreign_messages_are_deleted() -> None:
    """What is not ours is cleared away before anybody has seen it."""
    from transcripts.worker import loop
    from videos import queue

    def handle(original: Callable[..., None], message: queue.Message, **options: Any) -> None:
        original(message, **options)
        if message.video_id is None:
            queue.delete(message)

    wrap(loop, "handle", handle)


def dead_letters_stay() -> None:
    """Nobody looks at them."""
    from videos import dead_letters

    replace(dead_letters, "settle", lambda deadline: 0)


def users_are_not_locked() -> None:
    """Whoever asks for what is left is told so, and the next one as well."""
    from django.db.models import QuerySet

    from videos.usage import QuotaLock

    def select(original: Callable[..., Any], rows: Any, *args: Any, **options: Any) -> Any:
        return rows if rows.model is QuotaLock else original(rows, *args, **options)

    wrap(QuerySet, "select_for_update", select)


def keys_are_not_remembered() -> None:
    """The same request, sent again, is another one."""
    from videos import views

    replace(views, "idempotency_key", lambda request: "")


def speech_stays_set_aside() -> None:
    """What a worker wanted to listen to is never given back."""
    from videos.models import Reservation

    replace(type(Reservation.objects.all()), "end", lambda rows, video, **options: None)
    replace(type(Reservation.objects.all()), "orphaned", lambda rows: rows.none())


def decoders_outlive_their_worker() -> None:
    """Who is killed leaves a process behind."""
    from transcripts.worker import decoding

    before, program, after = decoding._COMMAND[:5], decoding._PROGRAM, decoding._COMMAND[6:]
    blind = "from transcripts.worker import sandbox; sandbox.die_with = lambda parent: None; "
    replace(decoding, "_COMMAND", (*before, program.replace("from transcripts", blind + "from transcripts", 1), *after))


def decoders_that_die_are_not_counted() -> None:
    """A file on which every decoder dies is tried for ever."""
    from transcripts.worker import errors

    replace(errors.DecoderFailed, "counted", False)


def decoders_are_waited_for() -> None:
    """One that hangs keeps its worker."""
    from transcripts.worker import decoding

    replace(decoding, "_PATIENCE", 1_000_000)


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        no_fence,
        blind_completion,
        saved_completion,
        no_limit_of_attempts,
        claims_ignore_leases,
        no_heartbeat,
        no_repetition,
        no_second_message,
        no_removal_of_files,
        one_key_for_all_attempts,
        unknown_is_failure,
        no_transaction,
        leases_by_the_workers_clock,
        no_breaker,
        queue_errors_cost_the_job,
        nothing_is_given_back,
        no_patience_with_the_queue,
        no_patience_with_the_database,
        a_token_for_each_try,
        no_time_limit_for_the_database,
        no_look_at_old_connections,
        the_servers_time_zone,
        no_limit_of_size,
        no_second_try,
        all_errors_are_tried_again,
        foreign_messages_are_deleted,
        dead_letters_stay,
        users_are_not_locked,
        keys_are_not_remembered,
        speech_stays_set_aside,
        decoders_outlive_their_worker,
        decoders_that_die_are_not_counted,
        decoders_are_waited_for,
    )
}
