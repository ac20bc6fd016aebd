"""The API against what a user would take instead, and against the floor, in one run.

    python -m benchmarks.api [--rounds 20] [--json FILE]

"Reference" is the first text's own stack (``benchmarks/reference``), "floor" one handler by hand
(``benchmarks/floor``), "ours" the package that is deployed, with everything switched on. They share MariaDB over TCP,
the queue, rows, tokens and events, and must give the same answers before anything is measured. They take turns, so that
what else the machine does meets all alike. "Cold" is by Lambda's runtime client from the start of the process to the
first answer; "warm" is the handler itself, from the event's text to the answer's, without the client around it.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from benchmarks import answers, events, layout, ledger, rows, stacks
from benchmarks.process import memory_mb, processor_ms
from benchmarks.stacks import Stack
from benchmarks.surroundings import Surroundings, surroundings
from local.aws.lambda_runtime import LambdaRuntime

BLOCK = 40  # requests of one stack before it is another's turn
REQUESTS_FOR_MEMORY = 1000
PAGE = stacks.HERE.parent / "docs" / "speed.md"


class Looping:
    """A stack's process that calls its handler again and again."""

    def __init__(self, stack: Stack, around: Surroundings) -> None:
        command = [str(stacks.python()), "-s", "-B", "-u", str(stacks.HERE / "loop.py"), stack.handler]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command,
            cwd=stack.tree,
            env=environment(around, stack),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._pipes = cast(tuple[IO[str], IO[str]], (self._process.stdin, self._process.stdout))

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def call(self, asked: list[Any], *, answers: bool = False) -> Any:
        """Hands the events over; see ``benchmarks/loop.py``."""
        asking, answering = self._pipes
        asking.write(json.dumps({"events": asked, "answers": answers}) + "\n")
        asking.flush()
        line = answering.readline()
        if not line:
            self._log.seek(0)
            sys.exit(f"A stack has ended:\n{self._log.read().decode()}")
        return json.loads(line)

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


def environment(around: Surroundings, stack: Stack) -> dict[str, str]:
    """The function's variables, with what Lambda adds."""
    return around.environment | {
        "PYTHONPATH": str(stack.tree),
        "AWS_DEFAULT_REGION": around.environment["AWS_REGION"],
        "AWS_LAMBDA_FUNCTION_NAME": "yt-backend-default",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "PATH": "/usr/bin:/bin",
    }


class Kind(NamedTuple):
    """What is asked for, and the bars: ours as a part of the reference's, and as a multiple of the floor's."""

    name: str
    make: Callable[[int], list[Any]]
    of_reference: float | None
    of_floor: float | None


def kinds(around: Surroundings, stored: rows.Stored, known: str) -> list[Kind]:
    """All that is measured warm. ``known`` is each stack's own ETag, which stands in its event as ``{etag}``."""
    token = around.pool.issue(stored.sub, "alice@example.com", "access")
    listed = events.rest("GET", "/videos", token=token)
    read = events.rest("GET", f"/videos/{stored.video_id}", token=token)
    unchanged = events.rest("GET", f"/videos/{stored.video_id}", token=token, headers={"If-None-Match": known})
    links = rows.fresh_links()
    return [
        Kind("warm GET /videos, 20 rows", lambda count: [listed] * count, 0.35, 2.5),
        Kind("warm GET /videos/{id}", lambda count: [read] * count, None, None),
        Kind("warm GET /videos/{id}, 304", lambda count: [unchanged] * count, 0.25, 2),
        Kind(
            "warm POST /analyze",
            lambda count: [
                events.rest("POST", "/analyze", token=token, body={"url": next(links)}) for _ in range(count)
            ],
            0.6,
            2,
        ),
    ]


def measure_warm(
    around: Surroundings, made: list[Stack], stored: rows.Stored, rounds: int, book: ledger.Ledger
) -> None:
    """Every kind, in blocks that take turns."""
    running = {stack.name: Looping(stack, around) for stack in made}
    try:
        etags = answers.compare(running, around, stored)
        for name, loop in running.items():
            loop.call(kinds(around, stored, etags[name])[0].make(100))
        for number in range(len(kinds(around, stored, ""))):
            for _ in range(rounds):
                for name, loop in running.items():
                    kind = kinds(around, stored, etags[name])[number]
                    took = loop.call(kind.make(BLOCK))
                    book.add(kind.name, name, "wall", statistics.median(took["wall"]) / 1e3)
                    book.add(kind.name, name, "cpu", statistics.median(took["processor"]) / 1e3)
    finally:
        for loop in running.values():
            loop.close()


def measure_invocations(
    around: Surroundings, made: list[Stack], stored: rows.Stored, rounds: int, book: ledger.Ledger
) -> None:
    """The same through Lambda's runtime client, which costs all of them the same; and memory after a thousand."""
    token = around.pool.issue(stored.sub, "alice@example.com", "access")
    event = json.dumps(events.rest("GET", "/videos", token=token)).encode()
    with ExitStack() as running:
        runtimes = {stack.name: running.enter_context(_runtime(around, stack)) for stack in made}
        for runtime in runtimes.values():
            runtime.invoke(event)
        for _ in range(rounds):
            for name, runtime in runtimes.items():
                before = processor_ms(runtime.pid)
                took = statistics.median(runtime.invoke(event).milliseconds for _ in range(BLOCK))
                book.add("the same by runtime client", name, "wall", took * 1e3)
                book.add("the same by runtime client", name, "cpu", (processor_ms(runtime.pid) - before) * 1e3 / BLOCK)
        for name, runtime in runtimes.items():
            for _ in range(max(0, REQUESTS_FOR_MEMORY - rounds * BLOCK)):
                runtime.invoke(event)
            book.add("memory after 1,000 requests", name, "MB", memory_mb(process=str(runtime.pid)))


def measure_cold(
    around: Surroundings, made: list[Stack], stored: rows.Stored, rounds: int, book: ledger.Ledger
) -> None:
    """From the start of the process to the first answer, once in each turn."""
    token = around.pool.issue(stored.sub, "alice@example.com", "access")
    event = json.dumps(events.rest("GET", "/videos", token=token)).encode()
    for number in range(rounds + 1):
        for stack in made:
            with _runtime(around, stack) as runtime:
                first = runtime.invoke(event)
                if first.error or first.answer["statusCode"] != 200:
                    sys.exit(f"{stack.name} does not answer: {first}\n{runtime.log()}")
                if number:  # the first reads the files from the disk
                    took = runtime.init_milliseconds + first.milliseconds
                    book.add("cold start to GET /videos", stack.name, "wall", took * 1e3)
                    book.add("cold start to GET /videos", stack.name, "cpu", processor_ms(runtime.pid) * 1e3)


def _runtime(around: Surroundings, stack: Stack) -> LambdaRuntime:
    return LambdaRuntime(stack.tree, stack.handler, python=stacks.python(), environment=around.environment)


def main() -> None:
    """Measures everything, prints the table, and writes it where it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="of warm blocks; half as many cold starts")
    parser.add_argument("--only", choices=["cold", "warm", "invocations"], help="leave the others out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--write", action="store_true", help="put the table into docs/speed.md")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stacks-"))
    book = ledger.Ledger()
    try:
        made = list(stacks.make(folder))
        for stack in made:
            book.add("deployed, unpacked", stack.name, "MB", layout.size_mb(stack.tree))
        with surroundings() as around:
            stored = rows.store(around)
            if options.only in (None, "warm"):
                measure_warm(around, made, stored, options.rounds, book)
            if options.only in (None, "invocations"):
                measure_invocations(around, made, stored, options.rounds, book)
            if options.only in (None, "cold"):
                measure_cold(around, made, stored, max(2, options.rounds // 2), book)
    finally:
        shutil.rmtree(folder)
    print(book.table())
    if options.write:
        before, _, rest = PAGE.read_text("utf-8").partition("<!-- api -->\n")
        PAGE.write_text(
            f"{before}<!-- api -->\n{book.markdown()}<!-- end -->{rest.partition('<!-- end -->')[2]}", "utf-8"
        )
    if options.json:
        options.json.write_text(json.dumps(book.figures(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
