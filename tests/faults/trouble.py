"""Everything that can break, at any time, while people go on asking for things (``soak.py`` runs it for longer).

A seed makes a plan: when who asks for what, and when what breaks. The same seed makes the same plan again; what
comes of it differs as two processes do. Then there is peace, all must end, and every invariant must hold.
"""

import http.client
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any, NamedTuple

from django.db import Error as DatabaseFailed
from django.db import connection

from local.youtube import Site
from tests import youtube_scenarios
from tests.faults.invariants import Peace
from tests.faults.processes import Api, Process
from tests.faults.surroundings import TIMES
from tests.faults.world import World
from transcripts.models import Transcript
from videos import queue, services
from videos.models import Attempt, Video

WORKERS = 4
# How often each kind of event comes, in a minute.
RATES = {
    "submit": 40,
    "delete": 5,
    "cancel": 4,
    "retry": 5,
    "reprocess": 3,
    "force": 3,
    "kill": 10,
    "freeze": 6,
    "terminate": 2,
    "duplicate": 20,
    "purge": 0.5,
    "database is killed": 1,
    "database hangs up": 3,
    "database refuses": 1,
    "storage refuses": 2,
    "storage is slow": 1,
    "queue refuses": 2,
    "youtube fails": 2,
    "youtube hangs up": 1,
}
# A refusing YouTube is left alone for a minute and more; here that would be all that happens.
WAITS = {
    "videos.breaker.FIRST_WAIT_SECONDS": 2,
    "videos.breaker.LONGEST_WAIT_SECONDS": 5,
    "videos.breaker.PROBE_SECONDS": 5,
}
PEACE_SECONDS = 120  # after which everything has come to its end


class Event(NamedTuple):
    """Something that is going to happen."""

    at: float  # seconds from the start
    what: str
    which: float  # 0 to 1: of those that it can happen to
    seconds: float  # how long it takes


def plan(seed: int, seconds: float) -> list[Event]:
    """All that is going to happen; the same for the same seed."""
    dice = random.Random(seed)
    number = int(seconds / 60 * sum(RATES.values()))
    kinds = dice.choices(list(RATES), list(RATES.values()), k=number)
    return sorted(Event(dice.uniform(0, seconds), kind, dice.random(), dice.uniform(0.5, 4)) for kind in kinds)


class Report(NamedTuple):
    """What a soak has seen."""

    seed: int
    events: Counter[str]
    answers: Counter[str]
    jobs: int
    statuses: Counter[str]
    deleted: int
    outcomes: Counter[str]
    attempts: int
    extractions: int
    refused_writes: int
    stale_writes: list[str]
    lost: list[str]
    violations: list[str]
    converged_after: float

    def __str__(self) -> str:
        def counted(found: Counter[str]) -> str:
            return ", ".join(f"{name} {number}" for name, number in sorted(found.items()))

        return "\n".join(
            [
                f"seed {self.seed}: {self.jobs} jobs, all ended {self.converged_after:.1f} s after peace",
                f"  events: {counted(self.events)}",
                f"  the API's answers: {counted(self.answers)}",
                f"  videos: {counted(self.statuses)}, deleted {self.deleted}, lost {len(self.lost)}",
                f"  attempts: {counted(self.outcomes)}; {self.attempts} in all, {self.extractions} extractions",
                f"  stale writes: {len(self.stale_writes)} done, {self.refused_writes} refused",
                f"  violations: {len(self.violations)} {'; '.join(self.violations)[:2000]}",
            ]
        )


class _Weather:
    """YouTube's, for all clips at once."""

    def __init__(self) -> None:
        self.fault: youtube_scenarios.Fault | None = None
        self.until = 0.0

    def __call__(self, site: Site) -> bool:
        return bool(self.fault) and time.monotonic() < self.until and self.fault(site)


class Soak:
    """The world, four workers, and somebody who wants something or breaks something all the time."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._weather = _Weather()
        self._ends: list[tuple[float, Callable[[], Any]]] = []  # what ends by itself, and when
        self._workers: list[Process] = []
        self._events: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._jobs = 0
        self._known: set[uuid.UUID] = set()
        self._let_go: set[uuid.UUID] = set()  # whoever owned them wanted them deleted

    def run(self, seconds: float) -> Report:
        """All of it: trouble, peace, and what came of it."""
        self._world.constants |= WAITS
        self._api: Api = self._world.api()
        self._sweeper = self._world.sweeper()
        self._workers = [self._worker() for _ in range(WORKERS)]
        begun = time.monotonic()
        for event in plan(self._seed, seconds):
            self._wait_until(begun + event.at)
            self._events[event.what] += 1
            self._happen(event)
        self._wait_until(begun + seconds)
        return self._report(self._peace())

    def _worker(self) -> Process:
        worker = self._world.worker()
        worker.plan.log.touch()  # it may be killed before it has written anything
        return worker

    def _wait_until(self, moment: float) -> None:
        while True:
            now = time.monotonic()
            for due in [end for end in self._ends if end[0] <= now]:
                self._ends.remove(due)
                due[1]()
            if now >= moment:
                return
            time.sleep(max(0.0, min(0.05, moment - now)))

    def _for_a_while(self, weather: AbstractContextManager[Any], seconds: float) -> None:
        weather.__enter__()
        self._ends.append((time.monotonic() + seconds, lambda: weather.__exit__(None, None, None)))

    # --- What happens

    def _happen(self, event: Event) -> None:
        world, slot = self._world, int(event.which * WORKERS)
        match event.what:
            case "submit":
                self._submit(event)
            case "kill":
                self._workers[slot].kill()
                self._workers[slot] = self._worker()
            case "terminate":
                # It is replaced at once, and has its grace time beside the new one.
                self._workers[slot].thaw()
                self._workers[slot].terminate()
                self._workers[slot] = self._worker()
            case "freeze":
                worker = self._workers[slot]
                worker.freeze()
                self._ends.append((time.monotonic() + TIMES["LEASE_SECONDS"] + event.seconds, worker.thaw))
            case "purge":
                world.purge()
            case "database is killed":
                world.server.kill()
                world.server.start()
            case "database hangs up":
                world.database.hang_up()
            case "database refuses":
                self._for_a_while(world.database.refuse(), event.seconds)
            case "storage refuses":
                self._for_a_while(world.storage.refuse(), event.seconds)
            case "storage is slow":
                self._for_a_while(world.storage.delay(1), event.seconds)
            case "queue refuses":
                self._for_a_while(world.queue.refuse(), event.seconds)
            case "youtube fails" | "youtube hangs up":
                fails = event.what == "youtube fails"
                self._weather.fault = youtube_scenarios.answers(503) if fails else youtube_scenarios.hangs_up
                self._weather.until = time.monotonic() + event.seconds
            case _:
                for video in self._some_video(event.which):
                    self._act_on(video, event)

    def _submit(self, event: Event) -> None:
        """Mostly what works; one in eight is private, and one in eight is slow."""
        clip = self._world.clip()
        clip.faults |= {"watch": self._weather, "player": self._weather}
        if event.which < 1 / 8:
            clip.refuse("This video is private")
        elif event.which < 1 / 4:
            clip.hold()
            self._ends.append((time.monotonic() + event.seconds, clip.let_go))
        body = self._call("POST", "/analyze", {"url": f"https://youtu.be/{clip.id}", "mode": "captions"})
        if isinstance(body, dict) and "id" in body:
            self._jobs += 1
            self._known.add(uuid.UUID(body["id"]))

    def _act_on(self, video: Video, event: Event) -> None:
        with suppress(DatabaseFailed, queue.QueueUnavailable):
            if event.what == "delete":
                self._let_go.add(video.pk)
                self._call("DELETE", f"/videos/{video.pk}")
            elif event.what == "duplicate":
                for delay in (0, event.seconds, event.seconds * 2):  # so that old ones come after new ones
                    queue.send(video, delay=delay)
            elif event.what in ("reprocess", "force"):
                self._jobs += services.reprocess_video(video, force=event.what == "force") is not None
            else:
                answer = self._call("POST", f"/videos/{video.pk}/{event.what}")
                self._jobs += event.what == "retry" and isinstance(answer, dict) and "id" in answer

    def _some_video(self, which: float) -> Iterator[Video]:
        try:
            ids = list(Video.objects.order_by("created_at").values_list("pk", flat=True))
            yield from Video.objects.filter(pk__in=ids[int(which * len(ids)) :][:1])
        except DatabaseFailed:
            connection.close()

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        """What the API says; nothing where it says no."""
        try:
            answer = self._api.call(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self._answers[type(error).__name__] += 1
            return None
        self._answers[str(answer.status)] += 1
        return answer.body if answer.status < 300 else None

    # --- Peace

    def _peace(self) -> float:
        """Nothing breaks any more; returns how long it took until all had ended."""
        begun = time.monotonic()
        for _, end in self._ends:
            end()
        self._weather.until = 0
        connection.close()
        for worker in self._workers:
            worker.thaw()
        while time.monotonic() < begun + PEACE_SECONDS:
            if not self._world._unrest(parked=False) and not self._violations():
                break
            time.sleep(0.25)
        return time.monotonic() - begun

    def _violations(self) -> list[str]:
        found = Peace(
            objects=self._world.objects(),
            waiting=self._world.waiting(),
            dead_letters=self._world.dead_letters(),
            submitted=frozenset(self._known),
            extractions=self._world.extractions(),
            max_attempts=TIMES["MAX_ATTEMPTS"],
        ).violations()
        return [*self._world._unrest(parked=False), *found]

    def _report(self, converged_after: float) -> Report:
        videos = set(Video.objects.values_list("pk", flat=True))
        statuses = Video.objects.values_list("status", "error_code")
        logs = [process.log() for process in self._world.processes]
        return Report(
            seed=self._seed,
            events=self._events,
            answers=self._answers,
            jobs=self._jobs,
            statuses=Counter(" ".join(filter(None, status)) for status in statuses),
            deleted=len(self._known - videos),
            outcomes=Counter(Attempt.objects.values_list("outcome", flat=True)),
            attempts=Attempt.objects.count(),
            extractions=self._world.extractions().total(),
            refused_writes=sum(log.count("was deleted or taken over") for log in logs),
            stale_writes=_stale_writes(),
            lost=[str(video_id) for video_id in self._known - self._let_go - videos],
            violations=self._violations(),
            converged_after=converged_after,
        )


def _stale_writes() -> list[str]:
    """Transcripts that are not those of the last claim that completed their video."""
    found = []
    for transcript in Transcript.objects.select_related("video"):
        completed = transcript.video.attempts.filter(outcome=Attempt.Outcome.COMPLETED).order_by("fence").last()
        if completed is None or f"/{completed.fence}/" not in transcript.s3_path:
            found.append(transcript.s3_path)
    return found
