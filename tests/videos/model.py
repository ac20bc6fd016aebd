"""What ought to be true of videos: an oracle in plain Python, and the machine that holds the real thing against it.

The oracle (``Job``) knows no database and none of the code that it judges. The machine calls the real
transitions and services in any order that Hypothesis thinks of, predicts each answer, and after each step
compares every row, attempt, transcript and file with what the oracle says there must be.

Time does not pass by itself: leases, waits and graces are long, and steps of the machine end them.
"""

import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests import builders
from transcripts import stored as reconciliation
from transcripts.models import Transcript
from transcripts.worker import errors, loop, pipeline
from transcripts.worker.claim import Claim, ClaimLost
from videos import queue, services, sweeping
from videos.deadline import Deadline
from videos.files import SignedFileSystemStorage
from videos.models import Attempt, Bookmark, Deletion, Video

MAX_ATTEMPTS = 2  # so few that a run of some steps uses them up
HANDS = 3  # claims that workers hold or believe they hold
FAR = timedelta(hours=2)
A_SECOND = timedelta(seconds=1)

INDEX = st.integers(0, HANDS - 1)
LINK = st.sampled_from(["first------", "first------", "first------", "second-----"])  # one story rather than two

MESSAGE = queue.Message("receipt", "")
SAID = pipeline._Said(Video.Source.CAPTIONS, "youtube", "human", "en", builders.SEGMENTS)


# --- the oracle


@dataclass
class Job:
    """What the row of one video must say, and who may write it."""

    status: str = "queued"
    fence: int = 0
    attempt: int = 0
    waits: bool = False  # not to be claimed before a later time
    lease_over: bool = False
    is_too_old: bool = False  # to be tried again through no fault of its own
    message: str = "none"  # or "sent", or "old": sent so long ago that it may be lost
    error: str = ""
    transcript: int | None = None  # the fence of the claim that wrote it
    audio: int | None = None  # likewise
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
        self.attempts[self.fence] = "running"

    def complete(self, *, with_audio: bool) -> None:
        self.attempts[self.fence] = self.status = "completed"
        self.transcript = self.fence
        self.audio = self.fence if with_audio else None

    def fail(self, code: str, *, outcome: str = "failed") -> None:
        self.attempts[self.fence] = outcome
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
        self.status, self.error, self.waits = "failed", "cancelled", False
        self.fence += 1

    def park(self) -> None:
        self.waits, self.message, self.error = True, "none", "source_unavailable"

    def give_up(self) -> None:
        self.status, self.error, self.waits = "failed", "source_unavailable", False
        self.fence += 1

    def start_anew(self) -> None:
        if self.status == "processing":
            self.attempts[self.fence] = "superseded"
        self._requeue()
        self.attempt, self.error, self.is_too_old = 0, "", False

    def _requeue(self) -> None:
        self.status, self.waits, self.message = "queued", False, "none"
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
    def receive_dead(cls) -> list[queue.Message]:
        if not cls.queue_is_up:
            raise queue.QueueUnavailable("It is down.")
        return list(cls.dead_letters)

    @classmethod
    def delete_dead(cls, message: queue.Message) -> None:
        cls.dead_letters.remove(message)


class Shelf(SignedFileSystemStorage):
    """The file system that is not there while storage is down."""

    def _save(self, name, content):
        self._answer()
        return super()._save(name, content)

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
    root = Path(default_storage.location)
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
    has_ended: bool = False


class Machine(RuleBasedStateMachine):
    """Two links of one user, some workers, and everybody else who may write."""

    def __init__(self) -> None:
        super().__init__()
        Outside.reset()
        shutil.rmtree(default_storage.location, ignore_errors=True)
        Deletion.objects.all().delete()
        Bookmark.objects.all().delete()
        Video.objects.all().delete()
        self.user = builders.user()
        self.jobs: dict[uuid.UUID, Job] = {}
        self.links: dict[str, uuid.UUID] = {}
        self.hands: list[Hand] = []  # newest first
        self.seen: dict[uuid.UUID, Video] = {}  # rows that somebody read some time ago
        self.lost: set[str] = set()  # files that storage has lost

    # --- what a step is about

    def some(self, index: int, condition: Callable[[Job], bool]) -> tuple[Video, Job]:
        """One of the videos for whose oracle this is true, as somebody reads it now, and the oracle."""
        found = [pk for pk, job in self.jobs.items() if condition(job)]
        pk = found[index % len(found)]
        return Video.objects.get(pk=pk), self.jobs[pk]

    def held(self, index: int, condition: Callable[[Hand], bool] = lambda hand: True) -> tuple[Hand, Job | None, bool]:
        """What some worker holds, the oracle of its video if that still exists, and whether the claim holds."""
        hands = [hand for hand in self.hands if condition(hand)]
        hand = hands[index % len(hands)]
        return hand, self.jobs.get(hand.video.pk), self.holds(hand)

    def holds(self, hand: Hand) -> bool:
        job = self.jobs.get(hand.video.pk)
        return job is not None and job.is_owned_by(hand.video.fence)

    def started(self, job: Job) -> None:
        """It has been asked for: a message is sent at once if the queue takes it."""
        if Outside.queue_is_up:
            job.message = "sent"

    # --- users

    @precondition(lambda self: len(self.links) < 2 or any(job.status == "failed" for job in self.jobs.values()))
    @rule(link=LINK)
    def submit(self, link):
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

    @precondition(lambda self: self.jobs)
    @rule(index=INDEX, stale=st.booleans(), what=st.sampled_from(["retry", "reprocess", "force", "cancel"]))
    def ask_for(self, index, stale, what):
        """A user changes what is to be done, having read the row just now or some time ago."""
        video, job = self.some(index, lambda job: True)
        request = self.seen.get(video.pk, video) if stale else video
        if what == "cancel":
            assert services.cancel_video(request) == (not job.has_ended)
            if not job.has_ended:
                job.cancel()
            return
        if what == "retry":
            possible = job.status == "failed"
            assert services.retry_video(request) == possible
        else:
            possible = job.has_ended or what == "force"
            assert services.reprocess_video(request, force=what == "force") == possible
        if possible:
            job.start_anew()
            self.started(job)

    @precondition(lambda self: self.jobs)
    @rule(index=INDEX, really=st.sampled_from([False, False, True]))
    def delete(self, index, really):
        """Not often: it is the end of a story."""
        if really:
            video, _ = self.some(index, lambda job: True)
            services.delete_video(video)
            del self.jobs[video.pk]
            self.links = {link: pk for link, pk in self.links.items() if pk != video.pk}

    # --- workers

    @precondition(lambda self: any(job.claimable or job.abandoned for job in self.jobs.values()))
    @rule(index=INDEX)
    def claim(self, index):
        video, job = self.some(index, lambda job: job.claimable or job.abandoned)
        if job.abandoned:
            job.abandon()
        possible = job.claimable
        claimed = services.claim_video(video.pk)
        assert (claimed is not None) == possible
        if possible:
            job.claim()
            self.take(claimed)

    @precondition(lambda self: any(not job.claimable for job in self.jobs.values()))
    @rule(index=INDEX)
    def claim_in_vain(self, index):
        video, job = self.some(index, lambda job: not job.claimable)
        assert Video.objects.claim(video.pk) is None
        assert job.abandoned or services.claim_video(video.pk) is None

    @precondition(lambda self: self.hands)
    @rule(index=INDEX)
    def claim_once_more_because_the_answer_was_lost(self, index):
        hand, _, owned = self.held(index)
        if owned:
            again = Video.objects.claim(hand.video.pk, token=hand.video.lease_token)
            assert again is not None, "its own claim"

    def take(self, claimed: Video) -> None:
        """A worker begins, and has something in storage at once if it can."""
        audio = ""
        if Outside.storage_is_up:
            audio = default_storage.save(f"{claimed.attempt_prefix}audio.webm", ContentFile(b"sound"))
        others = [hand for hand in self.hands if not hand.has_ended]
        ended = [hand for hand in self.hands if hand.has_ended]
        self.hands = [Hand(claimed, audio), *others[: HANDS - 2], *ended[:1]]

    @precondition(lambda self: self.hands)
    @rule(index=INDEX)
    def report(self, index):
        """The worker's thread says that it lives, and the worker how far it is."""
        hand, job, owned = self.held(index)
        assert hand.video.extend() == owned
        assert hand.video.advance(Video.Stage.SPEECH, 50) == owned
        if owned:
            job.lease_over = False

    @precondition(lambda self: any(not hand.has_ended for hand in self.hands))
    @rule(index=INDEX, kind=st.sampled_from([Claim, Repeating]))
    def finish(self, index, kind):
        """A worker stores its transcript and completes the video; one that has lost it removes its files."""
        hand, job, owned = self.held(index, lambda hand: not hand.has_ended)
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

    @precondition(lambda self: any(hand.has_ended for hand in self.hands))
    @rule(index=INDEX)
    def complete_once_more_and_late_because_the_answer_was_lost(self, index):
        hand, job, _ = self.held(index, lambda hand: hand.has_ended)
        still = job is not None and job.status == "completed" and job.fence == hand.video.fence
        assert hand.video.complete(source=SAID.source, language=SAID.language, s3_path=hand.audio) == still
        if not still:
            loop._leave(hand.video)

    @precondition(lambda self: Outside.storage_is_up and any(not hand.has_ended for hand in self.hands))
    @rule(index=INDEX)
    def store_a_file_and_die(self, index):
        hand, _, _ = self.held(index, lambda hand: not hand.has_ended)
        default_storage.save(f"{hand.video.attempt_prefix}transcript.json", ContentFile(b"words"))
        self.hands.remove(hand)

    @precondition(lambda self: self.hands)
    @rule(index=INDEX, kind=st.sampled_from([errors.SourceForbidden, errors.StorageUnavailable, errors.VideoPrivate]))
    def settle(self, index, kind):
        """A worker's attempt comes to nothing: the whole retry rule."""
        error = kind()
        hand, job, owned = self.held(index)
        loop._settle(hand.video, error, "")
        hand.has_ended = True
        if not owned:
            return
        is_last = job.is_too_old if not error.counted else job.attempt >= MAX_ATTEMPTS
        if error.permanent or is_last:
            job.fail(error.code)
        else:
            job.release(error.code, counted=error.counted)
            self.started(job)

    # --- everybody who looks after things

    @precondition(lambda self: self.jobs)
    @rule(index=INDEX)
    def read(self, index):
        """Somebody reads a row and will act on it later, when it may have changed."""
        video, _ = self.some(index, lambda job: True)
        self.seen[video.pk] = video

    @precondition(lambda self: self.seen)
    @rule(index=INDEX, what=st.sampled_from(["abandon", "send", "park", "give up"]))
    def act_on_what_was_read(self, index, what):
        pk = list(self.seen)[index % len(self.seen)]
        video, job = self.seen[pk], self.jobs.get(pk)
        current = job is not None and job.fence == video.fence
        queued = current and job.status == "queued"
        if what == "abandon":
            possible = current and job.abandoned
            assert services.end_attempt(video, video.abandon) == possible
            if possible:
                job.abandon()
        elif what == "send":
            assert services.send(video) == Outside.queue_is_up
            if queued:
                self.started(job)
        elif what == "park":
            assert video.park("source_unavailable", "It waits.", until=timezone.now() + FAR) == queued
            if queued:
                job.park()
        else:
            assert video.give_up("source_unavailable", "It has waited for too long.") == queued
            if queued:
                job.give_up()

    @rule()
    def sweep(self):
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

    def reconcile(self):
        lost = self.lost & named()
        orphans = [path for path in stored() - named() if not path.startswith(self.working())]
        expected = (len(orphans), len({path.rpartition("/")[0] for path in lost})) if Outside.storage_is_up else (0, 0)
        assert reconciliation.reconcile(Deadline(60)) == expected
        if Outside.storage_is_up:
            for pk, job in self.jobs.items():
                if job.audio and f"videos/{pk}/{job.audio}/audio.webm" in lost:
                    job.audio = None
            self.lost.clear()

    def working(self) -> tuple[str, ...]:
        """Below these lie the files of claims that hold."""
        return tuple(f"videos/{pk}/{job.fence}/" for pk, job in self.jobs.items() if job.status == "processing")

    # --- time, and what fails

    @precondition(lambda self: any(job.status == "processing" and not job.lease_over for job in self.jobs.values()))
    @rule(index=INDEX)
    def a_lease_ends(self, index):
        video, job = self.some(index, lambda job: job.status == "processing" and not job.lease_over)
        Video.objects.filter(pk=video.pk).update(lease_expires_at=Now() - A_SECOND)
        job.lease_over = True

    @precondition(lambda self: any(job.waits for job in self.jobs.values()))
    @rule(index=INDEX)
    def a_wait_ends(self, index):
        video, job = self.some(index, lambda job: job.waits)
        Video.objects.filter(pk=video.pk).update(retry_at=Now() - A_SECOND)
        job.waits = False

    @rule(index=INDEX, what=st.integers(0, 9))
    def something_happens_outside(self, index, what):
        """In one rule, so that there is more going on inside than outside."""
        waiting = [pk for pk, job in self.jobs.items() if job.message == "sent" and job.status == "queued"]
        match what:
            case 0:
                Outside.queue_is_up = not Outside.queue_is_up
            case 1 | 2:
                Outside.storage_is_up = not Outside.storage_is_up
            case 3 | 4 if waiting:
                self.a_message_is_lost(waiting[index % len(waiting)], dead=what == 3)
            case 5 | 6 if self.jobs:
                self.a_day_passes(list(self.jobs)[index % len(self.jobs)])
            case 7:
                self.the_grace_ends()
            case 8 if files := sorted(named() & stored()):
                path = files[index % len(files)]
                Path(default_storage.path(path)).unlink()
                self.lost.add(path)
            case _:
                self.reconcile()

    def a_message_is_lost(self, pk: uuid.UUID, *, dead: bool) -> None:
        """It was received too often, or it is a long time since it was sent."""
        if dead:
            Outside.dead_letters.append(queue.Message("receipt", queue.body(Video.objects.get(pk=pk))))
        else:
            Video.objects.filter(pk=pk).update(enqueued_at=Now() - FAR)
            self.jobs[pk].message = "old"

    def a_day_passes(self, pk: uuid.UUID) -> None:
        """Since it was asked for. Who has it in hand has read that time from the row."""
        before = timezone.now() - timedelta(hours=settings.GIVE_UP_HOURS) - A_SECOND
        Video.objects.filter(pk=pk).update(requested_at=before)
        self.jobs[pk].is_too_old = True
        for hand in self.hands:
            if hand.video.pk == pk:
                hand.video.requested_at = before

    def the_grace_ends(self) -> None:
        """Deletions are looked at once more, and whoever had lost a claim before has noticed."""
        self.hands = [hand for hand in self.hands if self.holds(hand)]
        Deletion.objects.update(requested_at=F("requested_at") - Deletion.GRACE, due_at=Now() - A_SECOND)

    # --- what must be true at any time

    @invariant()
    def all_is_as_the_oracle_says(self):
        self.rows_are_as_predicted()
        self.each_claim_has_its_attempt()
        self.rows_and_files_agree()
        self.the_oracle_itself_makes_sense()

    def rows_are_as_predicted(self):
        now = timezone.now()
        found = {
            video.pk: (
                video.status,
                video.fence,
                video.attempt,
                bool(video.retry_at and video.retry_at > now),
                video.lease_expires_at and video.lease_expires_at < now,
                video.error_code,
                video.status == "queued" and video.enqueued_at is not None,
            )
            for video in Video.objects.all()
        }
        assert found == {
            pk: (
                job.status,
                job.fence,
                job.attempt,
                job.waits,
                job.lease_over if job.status == "processing" else None,
                job.error,
                job.status == "queued" and job.message != "none",
            )
            for pk, job in self.jobs.items()
        }

    def each_claim_has_its_attempt(self):
        found: dict[uuid.UUID, dict[int, str]] = {pk: {} for pk in self.jobs}
        for attempt in Attempt.objects.all():
            found[attempt.video_id][attempt.fence] = attempt.outcome
            assert (attempt.ended_at is None) == (attempt.outcome == "running")
        assert found == {pk: job.attempts for pk, job in self.jobs.items()}

    def rows_and_files_agree(self):
        names, files = named(), stored()
        assert names == {path for pk, job in self.jobs.items() for path in job.files(pk)}
        assert names - files <= self.lost, "a row names a file that is not there"
        assert {hand.audio for hand in self.hands if hand.audio and self.holds(hand)} <= files
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
