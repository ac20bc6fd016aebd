"""A hundred submissions at once: by one user and by a hundred, of different links and of the same one.

    python -m benchmarks.crowd --rounds 3

Over HTTP, to processes of the API, on a private MariaDB over TCP with SQS (moto) in a process of its own. After each
round rows and messages are counted; an answer that is an error, but for a 503 that says when to come back, a row too
many or too few, and a message that is missing or there twice end it with exit code 1.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.loopback import Loopback, loopback, started
from local.stack import free_port

AT_ONCE = 100
COME_BACK = "503, to come back"


class Scene(NamedTuple):
    """Who submits what."""

    name: str
    users: int
    links: int

    @property
    def rows(self) -> int:
        """How many there are afterwards."""
        return max(self.users, self.links)


SCENES = (
    Scene("one user, different links", 1, AT_ONCE),
    Scene("one user, the same link", 1, 1),
    Scene("100 users, different links", AT_ONCE, AT_ONCE),
    Scene("100 users, the same link", AT_ONCE, 1),
)


class Answer(NamedTuple):
    """What one of them got, and after how many milliseconds."""

    kind: str
    milliseconds: float
    ended: float


class Round(NamedTuple):
    """What a hundred at once got. ``seconds`` until the last one had its answer."""

    answers: list[Answer]
    seconds: float
    deadlocks: int
    mistakes: list[str]


def submit(port: int, together: threading.Barrier, token: str, link: str) -> Answer:
    """One submission, at the same time as the others."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.connect()
        together.wait()
        began = time.perf_counter()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", "/analyze", json.dumps({"url": link}), headers)
        answer = connection.getresponse()
        answer.read()
        ended = time.perf_counter()
    kind = COME_BACK if answer.status == 503 and answer.headers["Retry-After"] else str(answer.status)
    return Answer(kind, (ended - began) * 1000, ended)


def play(world: Loopback, port: int, scene: Scene) -> Round:
    """A hundred at once, of users that nobody has seen before."""
    from videos.models import Video

    users = [str(uuid.uuid4()) for _ in range(scene.users)]
    links = [f"https://youtu.be/{uuid.uuid4().hex[:11]}" for _ in range(scene.links)]
    tokens = [world.token(user) for user in users]
    before = world.sent()
    together, deadlocks = threading.Barrier(AT_ONCE + 1), _deadlocks(world)
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        calls = [(tokens[number % scene.users], links[number % scene.links]) for number in range(AT_ONCE)]
        waiting = [crowd.submit(submit, port, together, *call) for call in calls]
        together.wait()
        began = time.perf_counter()
        answers = [one.result() for one in waiting]
    seconds = max(answer.ended for answer in answers) - began
    rows = [str(pk) for pk in Video.objects.filter(user__in=users).values_list("pk", flat=True)]
    sent = world.sent() - before
    kinds = Counter(answer.kind for answer in answers)
    mistakes = [
        f"{number} answers are {kind}" for kind, number in kinds.items() if kind not in ("202", "200", COME_BACK)
    ]
    if len(rows) != scene.rows and COME_BACK not in kinds:
        mistakes.append(f"{len(rows)} rows instead of {scene.rows}")
    if sent != Counter(rows):
        mistakes.append(f"{sent.total()} messages for {len(rows)} rows")
    return Round(answers, seconds, _deadlocks(world) - deadlocks, mistakes)


def _deadlocks(world: Loopback) -> int:
    with contextlib.closing(world.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        found = cursor.fetchone()
    return int(found[1]) if found else 0


def report(scene: Scene, rounds: list[Round]) -> tuple[str, dict[str, float]]:
    """A line, and its numbers by name."""
    times = sorted(answer.milliseconds for one in rounds for answer in one.answers)
    kinds = Counter(answer.kind for one in rounds for answer in one.answers)
    throughput = AT_ONCE / statistics.median(one.seconds for one in rounds)
    slow = times[int(len(times) * 0.99)]
    deadlocks = sum(one.deadlocks for one in rounds)
    said = ", ".join(f"{kind}: {number}" for kind, number in sorted(kinds.items()))
    line = f"| {scene.name} | {throughput:.0f} | {statistics.median(times):.0f} | {slow:.0f} | {said} | {deadlocks} |"
    return line, {
        f"crowd/{scene.name}/a second": round(throughput, 1),
        f"crowd/{scene.name}/median_ms": round(statistics.median(times), 1),
        f"crowd/{scene.name}/p99_ms": round(slow, 1),
        f"crowd/{scene.name}/deadlocks": deadlocks,
        f"crowd/{scene.name}/to come back": kinds[COME_BACK],
    }


def measure(rounds: int, processes: int) -> Iterator[tuple[Scene, list[Round]]]:
    """All scenes, after one that warms it up; they take turns."""
    with loopback() as world:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.serving", str(port), str(processes)]
        with started(command, world.environment | {"SQS_QUEUE_URL": os.environ["SQS_QUEUE_URL"]}, port):
            play(world, port, SCENES[-1])
            found: dict[Scene, list[Round]] = {scene: [] for scene in SCENES}
            for _ in range(rounds):
                for scene, played in found.items():
                    played.append(play(world, port, scene))
    yield from found.items()


def main() -> None:
    """Measures, counts, prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of each scene (%(default)s)")
    parser.add_argument("--processes", type=int, default=4, help="of the API (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write name and number there")
    options = parser.parse_args()
    print(
        "| 100 at once | a second | median ms | 99th percentile ms | answers | deadlocks |\n|---|---|---|---|---|---|"
    )
    numbers: dict[str, float] = {}
    mistakes = []
    for scene, rounds in measure(options.rounds, options.processes):
        line, found = report(scene, rounds)
        print(line)
        numbers |= found
        mistakes += [f"{scene.name}: {mistake}" for one in rounds for mistake in one.mistakes]
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n", "utf-8")
    if mistakes:
        sys.exit("\n".join(mistakes))


if __name__ == "__main__":
    main()
