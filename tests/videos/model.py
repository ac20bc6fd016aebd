"""What ought to be true of videos: an oracle in plain Python, and the machine that holds the real thing against it.

The oracle (``Job``) knows no database and none of the code that it judges. The machine calls the real
transitions and services in any order that Hypothesis thinks of, predicts each answer, and after each step
compares every row, attempt, transcript and file with what the oracle says there must be.

Time does not pass by itself: leases, waits and graces are long, and steps of the machine end them.
"""

import shutil
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests import builders
from transcripts import stored as reconciliation
from transcripts.models import Transcript
from transcripts.worker import errors, loop, pipeline
from transcripts.worker.claim import Claim, ClaimLost
from videos import queue, quotas, services, sweeping
from videos.deadline import Deadline
from videos.files import SignedFileSystemStorage
from videos.models import Attempt, Bookmark, Deletion, Reservation, Video

MAX_ATTEMPTS = 2  # so few that a run of some steps uses them up
FAR = timedelta(hours=2)
A_SECOND = timedelta(seconds=1)

LINKS = ["first------"] * 3 + ["second-----"]  # one story rather than two

MESSAGE = queue.Message("receipt", "")
SAID = pipeline._Said(Video.Source.CAPTIONS, "youtube", "human", "en", builders.SEGMENTS)


T = TypeVar("T")


# --- the oracle


@dataclass
class Job:
    """What the row of one video must say, and who may write it."""

    status: str = "queued"
    fence: int = 0
    attempt: int = 0
    waits: bool = False  # not to be claimed before a later time
    lease_over: bool = False
    was_tried: bool = False  # since it was last asked for
    is_too_old: bool = False  # that was so long ago that not even what is no fault of its own is waited for
    message: str = "none"  # or "sent", or "old": sent so long ago that it may be lost
    error: str = ""
    transcript: int | None = None  # the fence of the claim that wrote it
    audio: int | None = None  # likewise
    speech: bool = False  # some is set aside for the claim
    is_free: bool = False  # an operator asked for it
    attempts: dict[int, str] = field(default_factory=dict)  # the outcome of each claim, by its fence

    @property
    def claimable(self) -> bool:
        return self.status == "queued" and not self.waits

    @property
    def abandoned(self) -> bool:
        return self.status == "processing" and self.lease_over

    @property
    def has_ended(self) -> bool:
        return self.status in ("completed", "failed")

    @property
    def due_for_a_message(self) -> bool:
        return self.claimable and self.message != "sent"

    def is_owned_by(self, fence: int) -> bool:
        return self.status == "processing" and self.fence == fence

    def claim(self) -> None:
        self.status, self.waits, self.lease_over, self.error = "processing", False, False, ""
        self.fence += 1
        self.attempt += 1
        self.was_tried = True
        self.attempts[self.fence] = "running"

    def complete(self, *, with_audio: bool) -> None:
        self.speech = False
        self.attempts[self.fence] = self.status = "completed"
        self.transcript = self.fence
        self.audio = self.fence if with_audio else None

    def fail(self, code: str, *, outcome: str = "failed") -> None:
        self.attempts[self.fence] = outcome
        self.speech = False
        self.status, self.error = "failed", code

    def release(self, code: str, *, counted: bool) -> None:
        self.attempts[self.fence] = "released" if counted else "interrupted"
        self.attempt -= not counted
        self._requeue()
        self.waits, self.error = True, code

    def abandon(self) -> None:
        self.attempts[self.fence] = "lost"
        if self.attempt >= MAX_ATTEMPTS:
            self.fail("worker_lost", outcome="lost")
        else:
            self._requeue()
            self.error = "worker_lost"

    def cancel(self) -> None:
        if self.status == "processing":
            self.attempts[self.fence] = "cancelled"
        self.status, self.error, self.waits, self.speech = "failed", "cancelled", False, False
        self.fence += 1

    def park(self) -> None:
        self.waits, self.message, self.error = True, "none", "source_unavailable"
        self.fence += 1

    def give_up(self) -> None:
        self.status, self.error, self.waits = "failed", "source_unavailable", False
        self.fence += 1

    def start_anew(self, *, is_free: bool = False) -> None:
        self.is_free = is_free
        if self.status == "processing":
            self.attempts[self.fence] = "superseded"
        self._requeue()
        self.attempt, self.error, self.was_tried, self.is_too_old = 0, "", False, False

    def _requeue(self) -> None:
        self.status, self.waits, self.message, self.speech = "queued", False, "none", False
        self.fence += 1

    def files(self, video_id: object) -> set[str]:
        """The files that the rows name."""
        named = {(self.transcript, "transcript.json"), (self.audio, "audio.webm")}
        return {f"videos/{video_id}/{fence}/{name}" for fence, name in named if fence is not None}


# --- what lies outside


class Outside:
    """Queue and storage, as the steps of the machine have left them."""

    queue_is_up = True
    storage_is_up = True
    dead_letters: list[queue.Message] = []

    @classmethod
    def reset(cls) -> None:
        cls.queue_is_up = cls.storage_is_up = True
        cls.dead_letters = []

    @classmethod
    def send(cls, video: Video, *, delay: float = 0) -> None:
        if not cls.queue_is_up:
            raise queue.QueueUnavailable("It is down.")

    @classmethod
    def dead_letter_url(cls) -> str:
        if not cls.queue_is_up:
            raise queue.QueueUnavailable("It is down.")
        return "dead"

    @classmethod
    def receive_dead(cls, url: str) -> list[queue.Message]:
        return list(cls.dead_letters)

    @classmethod
    def delete_dead(cls, url: str, message: queue.Message) -> None:
        cls.dead_letters.remove(message)


class Shelf(SignedFileSystemStorage):
    """The file system that is not there while storage is down."""

    def _save(self, name, content):
        self._answer()
        return super()._save(name, content)  # type: ignore[misc]

    def delete(self, name):
        self._answer()
        super().delete(name)

    def listdir(self, path):
        self._answer()
        return super().listdir(path)

    def _answer(self):
        if not Outside.storage_is_up:
            raise OSError("It is down.")


def stored() -> set[str]:
    """Every file there is."""
    root = Path(default_storage.path(""))
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def named() -> set[str]:
    """Every file that a row names."""
    audio = Video.objects.exclude(s3_path="").values_list("s3_path", flat=True)
    return {*audio, *Transcript.objects.values_list("s3_path", flat=True)}


class Repeating(Claim):
    """The answer to its first commit is lost, so that it does the same once more."""

    def write(self, transition):
        transition()
        super().write(transition)


# --- the machine


@dataclass
class Hand:
    """A claim that a worker believes it holds. It may be lost; or the worker has ended it, and its threads live on."""

    video: Video
    audio: str  # the file that it has stored, if storage was up
    token: str
    has_ended: bool = False


class Action(NamedTuple):
    """Something that can happen: how often, compared with the others, and whether there is anything to change."""

    do: Callable[["Machine", "Pick"], None]
    often: int
    when: Callable[["Machine"], object]


Pick = Callable[[Sequence[T]], T]
ACTIONS: dict[str, Action] = {}


def happens(often: int = 1, when: Callable[["Machine"], object] = lambda machine: machine.jobs):
    """Hypothesis would leave out half of the rules in each example; then hardly anything ever gets far."""

    def register(do):
        ACTIONS[do.__name__] = Action(do, often, when)
        return do

    return register


def has(condition: Callable[[Job], bool]) -> Callable[["Machine"], bool]:
    return lambda machine: any(condition(job) for job in machine.jobs.values())


def holds(condition: Callable[[Hand], bool] = lambda hand: True) -> Callable[["Machine"], bool]:
    return lambda machine: any(condition(hand) for hand in machine.hands)


def is_live(hand: Hand) -> bool:
    return not hand.has_ended


class Machine(RuleBasedStateMachine):
    """Two links of one user, some workers, and everybody else who may write."""

    def __init__(self) -> None:
        super().__init__()
        Outside.reset()
        shutil.rmtree(default_storage.path(""), ignore_errors=True)
        Deletion.objects.all().delete()
        Bookmark.objects.all().delete()
        Video.objects.all().delete()
        self.user = builders.user()
        self.jobs: dict[uuid.UUID, Job] = {}
        self.links: dict[str, uuid.UUID] = {}
        self.hands: list[Hand] = []  # newest first
        self.seen: dict[uuid.UUID, Video] = {}  # rows that somebody read some time ago
        self.lost: set[str] = set()  # files that storage has lost
        self.outage = 0  # steps that it still lasts

    @rule(data=st.data())
    def something_happens(self, data):
        self.outage = max(0, self.outage - 1)
        if not self.outage:
            Outside.queue_is_up = Outside.storage_is_up = True
        possible = [name for name, action in ACTIONS.items() if action.when(self) for _ in range(action.often)]
        name = data.draw(st.sampled_from(possible), label="what happens")
        ACTIONS[name].do(self, lambda options: data.draw(st.sampled_from(options)))

    # --- what a step is about

    def some(self, pick: Pick, condition: Callable[[Job], bool] = lambda job: True) -> tuple[Video, Job]:
        """One of the videos for whose oracle this is true, as somebody reads it now, and the oracle."""
        pks = [pk for pk, job in self.jobs.items() if condition(job)]
        pk = pks[pick(range(len(pks)))]
        return Video.objects.get(pk=pk), self.jobs[pk]

    def held(self, pick: Pick, condition: Callable[[Hand], bool] = lambda hand: True) -> tuple[Hand, Job | None, bool]:
        """What some worker holds, the oracle of its video if that still exists, and whether the claim holds."""
        hands = [hand for hand in self.hands if condition(hand)]
        hand = hands[pick(range(len(hands)))]
        return hand, self.jobs.get(hand.video.pk), self.owns(hand)

    def owns(self, hand: Hand) -> bool:
        job = self.jobs.get(hand.video.pk)
        return job is not None and job.is_owned_by(hand.video.fence)

    def named(self) -> set[str]:
        """What the rows must name."""
        return {path for pk, job in self.jobs.items() for path in job.files(pk)}

    def working(self) -> tuple[str, ...]:
        """Below these lie the files of claims that hold."""
        return tuple(f"videos/{pk}/{job.fence}/" for pk, job in self.jobs.items() if job.status == "processing")

    def started(self, job: Job) -> None:
        """It has been asked for: a message is sent at once if the queue takes it."""
        if Outside.queue_is_up:
            job.message = "sent"

    # --- users

    @happens(4, lambda self: len(self.links) < 2 or has(lambda job: job.status == "failed")(self))
    def submit(self, pick):
        link = pick(LINKS)
        video, started = services.submit_video(user=self.user, youtube_id=link, mode="auto", language="")
        job = self.jobs.get(video.pk)
        assert (job is None) == (link not in self.links), "one row per link"
        if job is None:
            job = self.jobs[video.pk] = Job()
            self.links[link] = video.pk
            assert started
        else:
            assert started == (job.status == "failed")
            if started:
                job.start_anew()
        if started:
            self.started(job)

    @happens(5)
    def ask_for(self, pick):
        """A user changes what is to be done, having read the row just now or some time ago."""
        video, job = self.some(pick)
        request = self.seen.get(video.pk, video) if pick([False, True]) else video
        what = pick(["retry", "reprocess", "force", "cancel"])
        if what == "cancel":
            assert services.cancel_video(request) == (not job.has_ended)
            if not job.has_ended:
                job.cancel()
            return
        if what == "retry":
            possible = job.status == "failed"
            assert (services.retry_video(request) is not None) == possible
        else:
            possible = job.has_ended or what == "force"
            assert (services.reprocess_video(request, force=what == "force") is not None) == possible
        if possible:
            job.start_anew(is_free=what != "retry")
            self.started(job)

    @happens()
    def delete(self, pick):
        video, _ = self.some(pick)
        services.delete_video(video)
        del self.jobs[video.pk]
        self.links = {link: pk for link, pk in self.links.items() if pk != video.pk}

    # --- workers

    @happens(10, has(lambda job: job.claimable or job.abandoned))
    def claim(self, pick):
        video, job = self.some(pick, lambda job: job.claimable or job.abandoned)
        if job.abandoned:
            job.abandon()
        possible = job.claimable
        claimed = services.claim_video(video.pk)
        assert (claimed is not None) == possible
        if possible:
            job.claim()
            self.take(claimed)

    def take(self, claimed: Video) -> None:
        """A worker begins, and has something in storage at once if it can."""
        audio = ""
        if Outside.storage_is_up:
            audio = default_storage.save(f"{claimed.attempt_prefix}audio.webm", ContentFile(b"sound"))
        others = [hand for hand in self.hands if not hand.has_ended]
        ended = [hand for hand in self.hands if hand.has_ended]
        self.hands = [Hand(claimed, audio, claimed.lease_token), *others[:1], *ended[:1]]

    @happens(2, has(lambda job: not job.claimable))
    def claim_in_vain(self, pick):
        video, job = self.some(pick, lambda job: not job.claimable)
        assert Video.objects.claim(video.pk) is None
        assert job.abandoned or services.claim_video(video.pk) is None

    @happens(2, holds())
    def claim_once_more_because_the_answer_was_lost(self, pick):
        """With the token of the first time."""
        hand, job, owned = self.held(pick)
        if job is None or not job.claimable:
            again = Video.objects.claim(hand.video.pk, token=hand.token)
            assert (again is not None) == owned, "its own claim, as long as it holds"

    @happens(3, holds())
    def report(self, pick):
        """The worker's thread says that it lives, and the worker how far it is."""
        hand, job, owned = self.held(pick)
        assert hand.video.extend() == owned
        assert hand.video.advance(Video.Stage.SPEECH, 50) == owned
        if owned:
            job.lease_over = False

    @happens(3, holds())
    def set_speech_aside(self, pick):
        """A worker is about to listen."""
        hand, job, owned = self.held(pick)
        assert quotas.reserve(hand.video, 1000) == owned
        if owned:
            job.speech = not job.is_free

    @happens(7, holds(is_live))
    def finish(self, pick):
        """A worker stores its transcript and completes the video; one that has lost it removes its files."""
        hand, job, owned = self.held(pick, is_live)
        kind = pick([Claim, Claim, Repeating])
        try:
            pipeline._store(kind(hand.video, MESSAGE), SAID, hand.audio)
        except ClaimLost:
            assert not owned
            loop._leave(hand.video)
        except errors.StorageUnavailable:
            assert not Outside.storage_is_up
        else:
            assert owned
            hand.has_ended = True
            job.complete(with_audio=bool(hand.audio))

    @happens(2, holds(lambda hand: hand.has_ended))
    def complete_once_more_and_late_because_the_answer_was_lost(self, pick):
        hand, job, _ = self.held(pick, lambda hand: hand.has_ended)
        still = job is not None and job.status == "completed" and job.fence == hand.video.fence
        assert hand.video.complete(source=SAID.source, language=SAID.language, s3_path=hand.audio) == still
        if not still:
            loop._leave(hand.video)

    @happens(1, lambda self: Outside.storage_is_up and holds(is_live)(self))
    def store_a_file_and_die(self, pick):
        hand, _, _ = self.held(pick, is_live)
        default_storage.save(f"{hand.video.attempt_prefix}transcript.json", ContentFile(b"words"))
        self.hands.remove(hand)

    @happens(6, holds(is_live))
    def settle(self, pick):
        """A worker's attempt comes to nothing: the whole retry rule."""
        self.settle_by(pick, is_live)

    @happens(1, holds(lambda hand: hand.has_ended))
    def settle_once_more_and_late(self, pick):
        self.settle_by(pick, lambda hand: hand.has_ended)

    def settle_by(self, pick: Pick, condition: Callable[[Hand], bool]) -> None:
        hand, job, owned = self.held(pick, condition)
        kind = pick([errors.AudioIncomplete, errors.AudioIncomplete, errors.StorageUnavailable, errors.VideoPrivate])
        error = kind()
        loop._settle(hand.video, error, "")
        hand.has_ended = True
        if not owned:
            return
        is_last = job.attempt >= MAX_ATTEMPTS if error.counted else job.is_too_old
        if error.permanent or is_last:
            job.fail(error.code)
        else:
            job.release(error.code, counted=error.counted)
            self.started(job)

    # --- everybody who looks after things

    @happens(2)
    def read(self, pick):
        """Somebody reads a row and will act on it later, when it may have changed."""
        video, _ = self.some(pick)
        self.seen[video.pk] = video

    @happens(5, lambda self: self.seen)
    def act_on_what_was_read(self, pick):
        pk = list(self.seen)[pick(range(len(self.seen)))]
        video, job = self.seen[pk], self.jobs.get(pk)
        current = job is not None and job.fence == video.fence
        queued = current and job.status == "queued"
        match pick(["abandon", "send", "park", "give up"]):
            case "abandon":
                possible = current and job.abandoned
                assert services.end_attempt(video, video.abandon) == possible
                if possible:
                    job.abandon()
            case "send":
                assert services.send(video) == Outside.queue_is_up
                if queued:
                    self.started(job)
            case "park":
                assert video.park("source_unavailable", "It waits.", until=timezone.now() + FAR) == queued
                if queued:
                    job.park()
            case _:
                assert video.give_up("source_unavailable", "It has waited for too long.") == queued
                if queued:
                    job.give_up()

    @happens(5, lambda self: True)
    def sweep(self, pick):
        taken_back = given_up = sent = dead = 0
        for job in self.jobs.values():
            if job.abandoned:
                job.abandon()
                taken_back += job.status == "queued"
                given_up += job.status == "failed"
            if job.due_for_a_message and Outside.queue_is_up:
                job.message = "sent"
                sent += 1
        if Outside.queue_is_up:
            for message in Outside.dead_letters:
                dead += 1
                job = self.jobs.get(message.video_id)
                if job and job.status == "queued":
                    job.message = "none"
        swept = sweeping.sweep(Deadline(60))
        assert (swept.sent, swept.taken_back, swept.given_up, swept.dead_letters) == (sent, taken_back, given_up, dead)

    @happens(2, lambda self: True)
    def reconcile(self, pick):
        lost = self.lost & self.named()
        orphans = [path for path in stored() - self.named() if not path.startswith(self.working())]
        expected = (len(orphans), len({path.rpartition("/")[0] for path in lost})) if Outside.storage_is_up else (0, 0)
        assert reconciliation.reconcile(Deadline(60)) == expected
        if Outside.storage_is_up:
            for pk, job in self.jobs.items():
                if job.audio and f"videos/{pk}/{job.audio}/audio.webm" in lost:
                    job.audio = None
            self.lost.clear()

    # --- time, and what fails

    @happens(5, has(lambda job: job.status == "processing" and not job.lease_over))
    def a_lease_ends(self, pick):
        video, job = self.some(pick, lambda job: job.status == "processing" and not job.lease_over)
        Video.objects.filter(pk=video.pk).update(lease_expires_at=Now() - A_SECOND)
        job.lease_over = True

    @happens(6, has(lambda job: job.waits))
    def a_wait_ends(self, pick):
        video, job = self.some(pick, lambda job: job.waits)
        Video.objects.filter(pk=video.pk).update(retry_at=Now() - A_SECOND)
        job.waits = False

    @happens(2, has(lambda job: job.message == "sent" and job.status == "queued"))
    def a_message_is_lost(self, pick):
        """It was received too often, or it is a long time since it was sent."""
        video, job = self.some(pick, lambda job: job.message == "sent" and job.status == "queued")
        if pick([False, True]):
            Outside.dead_letters.append(queue.Message("receipt", queue.body(video)))
        else:
            Video.objects.filter(pk=video.pk).update(enqueued_at=Now() - FAR)
            job.message = "old"

    @happens(2, has(lambda job: not job.has_ended and job.was_tried and not job.is_too_old))
    def a_day_passes_since_its_first_attempt(self, pick):
        """Who has it in hand has read from the row when it was asked for."""
        video, job = self.some(pick, lambda job: not job.has_ended and job.was_tried and not job.is_too_old)
        a_day = timedelta(hours=settings.GIVE_UP_HOURS) + A_SECOND
        Video.objects.filter(pk=video.pk).update(requested_at=F("requested_at") - a_day)
        Attempt.objects.filter(video=video).update(started_at=F("started_at") - a_day)
        for hand in self.hands:
            if hand.video.pk == video.pk:
                hand.video.requested_at -= a_day
        job.is_too_old = True

    @happens(1)
    def the_grace_ends(self, pick):
        """Deletions are looked at once more, and whoever had lost a claim before has noticed."""
        self.hands = [hand for hand in self.hands if self.owns(hand)]
        Deletion.objects.update(requested_at=F("requested_at") - Deletion.GRACE, due_at=Now() - A_SECOND)

    @happens(1, lambda self: self.named() - self.lost)
    def a_file_is_lost(self, pick):
        path = pick(sorted(self.named() - self.lost))
        Path(default_storage.path(path)).unlink()
        self.lost.add(path)

    @happens(2)
    def queue_or_storage_fails(self, pick):
        """For a while."""
        if pick([False, True]):
            Outside.queue_is_up = False
        else:
            Outside.storage_is_up = False
        self.outage = pick([2, 3, 5])

    # --- what must be true at any time

    @invariant()
    def all_is_as_the_oracle_says(self):
        videos = list(Video.objects.all())
        self.rows_are_as_predicted(videos)
        self.each_claim_has_its_attempt()
        self.speech_is_set_aside_for_claims_that_hold()
        self.rows_and_files_agree(videos)
        self.the_oracle_itself_makes_sense()

    def rows_are_as_predicted(self, videos):
        assert {video.pk for video in videos} == set(self.jobs)
        now = timezone.now()
        for video in videos:
            job = self.jobs[video.pk]
            found = {
                "status": video.status,
                "fence": video.fence,
                "attempt": video.attempt,
                "error": video.error_code,
                "waits": video.retry_at is not None and video.retry_at > now,
                "lease_over": video.lease_expires_at is not None and video.lease_expires_at < now,
                "sent": video.enqueued_at is not None,
            }
            expected = vars(job) | {
                "lease_over": job.status == "processing" and job.lease_over,
                "sent": job.message != "none" if job.status == "queued" else found["sent"],  # else nobody asks
            }
            wrong = {name: (value, expected[name]) for name, value in found.items() if value != expected[name]}
            assert not wrong, f"found and expected: {wrong}"

    def each_claim_has_its_attempt(self):
        found: dict[uuid.UUID, dict[int, str]] = {pk: {} for pk in self.jobs}
        for attempt in Attempt.objects.all():
            found[attempt.video_id][attempt.fence] = attempt.outcome
            assert (attempt.ended_at is None) == (attempt.outcome == "running")
        assert found == {pk: job.attempts for pk, job in self.jobs.items()}

    def speech_is_set_aside_for_claims_that_hold(self):
        found = {reservation.pk: reservation.fence for reservation in Reservation.objects.all()}
        assert found == {pk: job.fence for pk, job in self.jobs.items() if job.speech}

    def rows_and_files_agree(self, videos):
        transcripts = Transcript.objects.values_list("s3_path", flat=True)
        names, files = {video.s3_path for video in videos if video.s3_path} | set(transcripts), stored()
        assert names == self.named()
        assert names - files <= self.lost, "a row names a file that is not there"
        assert {hand.audio for hand in self.hands if hand.audio and self.owns(hand)} <= files
        doomed = tuple(Deletion.objects.values_list("prefix", flat=True))
        assert [path for path in names if path.startswith(doomed)] == []
        assert set(doomed) & set(self.working()) == set()
        assert [path for path in files - names if not path.startswith(doomed + self.working())] == []

    def the_oracle_itself_makes_sense(self):
        for job in self.jobs.values():
            running = [fence for fence, outcome in job.attempts.items() if outcome == "running"]
            assert running == ([job.fence] if job.status == "processing" else [])
            assert job.attempt <= MAX_ATTEMPTS
            assert job.status != "completed" or job.transcript == job.fence

    # --- the end

    def teardown(self):
        if sys.exc_info()[0] is None:
            self.drain()

    def drain(self) -> None:
        """When nothing fails any more, and somebody works, all comes to an end, and nothing is left over."""
        Outside.queue_is_up = Outside.storage_is_up = True
        for _ in range(MAX_ATTEMPTS + 2):
            Video.objects.filter(status="processing").update(lease_expires_at=Now() - A_SECOND)
            Video.objects.filter(status="queued").update(retry_at=None, enqueued_at=Now() - FAR)
            sweeping.sweep(Deadline(60))
            for video in Video.objects.filter(status="queued"):
                claimed = services.claim_video(video.pk)
                pipeline._store(Claim(claimed, MESSAGE), SAID, "")
        for _ in range(2):
            Deletion.objects.update(requested_at=F("requested_at") - Deletion.GRACE, due_at=Now() - A_SECOND)
            sweeping.sweep(Deadline(60))
        reconciliation.reconcile(Deadline(60))
        assert set(Video.objects.values_list("status", flat=True)) <= {"completed", "failed"}
        assert stored() == named()
        assert not Deletion.objects.exists()
