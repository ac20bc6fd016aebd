"""How fast ``manage.py reprocess`` feeds the queue, beside a bare loop that does nothing but send as many messages.

    python -m benchmarks.feeding --rows 100000

On a private MariaDB over TCP, with SQS (moto, in a process of its own, which is much slower than AWS's and so the
ceiling here). Both take turns, a part of the rows each time. Afterwards the queue must have one message for each row.
"""

import argparse
import contextlib
import io
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import seed
from benchmarks.loopback import cpu_seconds, create_queue, loopback, sqs

OWNER = "feed0000-0000-4000-8000-000000000001"
TURNS = 4


class Turn(NamedTuple):
    """Seconds for a part of the rows: by the clock, and of this process's processor."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Turn:
    """Does it."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Turn(time.perf_counter() - wall, time.process_time() - cpu)


def bare(url: str, bodies: list[str]) -> None:
    """Sends them, ten at a time, one request after the other."""
    client = sqs()
    for begin in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[begin : begin + 10])]
        client.send_message_batch(QueueUrl=url, Entries=entries)


def reprocess(rows: int) -> None:
    """As an operator would."""
    from django.core.management import call_command

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        call_command("reprocess", "--state", "completed", "--state", "failed", "--limit", str(rows), stdout=said)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feeding", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="videos to start again (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write name and number there")
    options = parser.parse_args()
    part = options.rows // TURNS
    with loopback() as world:
        from django.db import connection

        from videos.models import Video

        # A hundredth of them waits or is in work.
        seed.fill(options.rows * 102 // 100, 10, given={OWNER: options.rows // 2})
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE TABLE videos")
        print(file=sys.stderr)
        other = create_queue("bare")
        body = json.dumps({"video_id": OWNER, "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ", "user_id": OWNER})
        turns: dict[str, list[Turn]] = {"bare": [], "ours": []}
        began_database = cpu_seconds(world.server.pid)
        for _ in range(TURNS):
            turns["bare"].append(timed(lambda: bare(other, [body] * part)))
            turns["ours"].append(timed(lambda: reprocess(part)))
        database = cpu_seconds(world.server.pid) - began_database
        started = [str(pk) for pk in Video.objects.filter(unmetered=True).values_list("pk", flat=True)]
        unsent = Video.objects.filter(unmetered=True, enqueued_at=None).count()
        sent = world.sent()
        del sent[OWNER]  # the bare loop's
    print("| | rows a second | CPU ms a row |\n|---|---|---|")
    numbers: dict[str, float] = {}
    for name, taken in turns.items():
        wall, cpu = (statistics.median(getattr(turn, kind) for turn in taken) for kind in ("wall", "cpu"))
        print(f"| {name} | {part / wall:.0f} | {cpu / part * 1000:.2f} |")
        numbers |= {f"feeding/{name}/rows a second": part / wall, f"feeding/{name}/cpu_ms a row": cpu / part * 1000}
    ratios = [ours.wall / alone.wall for alone, ours in zip(turns["bare"], turns["ours"], strict=True)]
    numbers["feeding/ours of bare"] = statistics.median(ratios)
    numbers["feeding/database/cpu_ms a row"] = database / (part * TURNS) * 1000
    print(f"\nOurs takes {numbers['feeding/ours of bare']:.2f} of the bare loop's time", end=" ")
    print(f"({min(ratios):.2f} to {max(ratios):.2f}), and of the database's processor", end=" ")
    print(f"{numbers['feeding/database/cpu_ms a row']:.2f} ms a row.")
    if options.json:
        options.json.write_text(json.dumps({name: round(value, 3) for name, value in numbers.items()}, indent=1) + "\n")
    if sent != Counter(started) or unsent or len(started) != part * TURNS:
        sys.exit(f"{len(started)} rows started, {sent.total()} messages for {len(sent)} rows, {unsent} not stamped")


if __name__ == "__main__":
    main()
