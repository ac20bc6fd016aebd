"""What a call costs with ten thousand videos, and with a hundred times as many.

    python -m benchmarks.growth --sizes 10000,100000,1000000 --plot docs/images/growth.png

One user always has a thousand videos; another one has half of them all, at most a hundred thousand. On a private
MariaDB over TCP, through all of Django with signed tokens, in this process; SQS is moto, in a process of its own. Each
call is made several times, the medians count. Prints a table; ``--json`` writes it as name and number, ``--plans``
also prints by which plan the database answers what has grown.
"""

import argparse
import contextlib
import io
import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import growth_chart, seed
from benchmarks.loopback import Loopback, loopback

STEADY, HEAVY = "57ead100-0000-4000-8000-000000000001", "4ea51000-0000-4000-8000-000000000002"  # users
NAMES = {STEADY: "steady", HEAVY: "heavy", "": ""}
STEADY_HAS, HEAVY_HAS_AT_MOST = 1000, 100_000
PAGE = 20
ROUNDS = 15
GROWN = 1.5  # times what it was: worth a look at the plan


class Cost(NamedTuple):
    """Of one call, in milliseconds: by the clock, of our processor, of the database's, and in queries by the clock."""

    wall: float
    cpu: float
    database_cpu: float
    sql: float
    queries: int
    slowest: str  # query

    @property
    def both(self) -> float:
        """Of both processors: what other work on this machine disturbs least."""
        return self.cpu + self.database_cpu


class Call(NamedTuple):
    """Something to be done a few times; ``per`` rows at once."""

    name: str
    do: Callable[[], object]
    rounds: int = ROUNDS
    per: int = 1


class Api:
    """The program as a server calls it, in this process."""

    def __init__(self, token: str) -> None:
        from ytbackend.wsgi import application

        self._application, self._token = application, token

    def __call__(self, method: str, address: str, body: Any = None) -> Any:
        """The answer's JSON; an answer that is no success ends the benchmark."""
        path, _, query = address.partition("?")
        data = b"" if body is None else json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "https",
        }
        status: list[str] = []

        def start_response(line: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            status.append(line)
            return io.BytesIO().write

        answer = self._application(environ, start_response)
        said = b"".join(answer)
        with contextlib.suppress(AttributeError):
            answer.close()
        if status[0][0] != "2":
            sys.exit(f"{method} {address}: {status[0]} {said[:500]!r}")
        return json.loads(said) if said else None


class Sample(NamedTuple):
    """Seconds that one call took."""

    wall: float
    cpu: float
    database_cpu: float
    queries: list[tuple[str, float]]


def costs_of(calls: list[Call], world: Loopback) -> list[Cost]:
    """Does them in turns, each twice more than it counts: what else the machine does meets all alike."""
    taken: list[list[Sample]] = [[] for _ in calls]
    for number in range(max(call.rounds for call in calls) + 2):
        for call, samples in zip(calls, taken, strict=True):
            if number < call.rounds + 2:
                samples.append(_sample(call, world))
    return [_cost(call, samples[2:]) for call, samples in zip(calls, taken, strict=True)]


def _cost(call: Call, samples: list[Sample]) -> Cost:
    def middle(seconds: list[float]) -> float:
        return statistics.median(seconds) * 1000 / call.per

    return Cost(
        wall=middle([one.wall for one in samples]),
        cpu=middle([one.cpu for one in samples]),
        database_cpu=middle([one.database_cpu for one in samples]),
        sql=middle([sum(seconds for _, seconds in one.queries) for one in samples]),
        queries=len(samples[-1].queries),
        slowest=max(samples[-1].queries, key=lambda query: query[1], default=("", 0.0))[0],
    )


def _sample(call: Call, world: Loopback) -> Sample:
    from django.db import connection

    asked: list[tuple[str, float]] = []

    def watched(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            asked.append((_filled(sql, params), time.perf_counter() - began))

    with connection.execute_wrapper(watched):
        database_cpu, cpu, wall = _database_cpu(world), time.process_time(), time.perf_counter()
        call.do()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return Sample(wall, cpu, _database_cpu(world) - database_cpu, asked)


def _database_cpu(world: Loopback) -> float:
    """Seconds that the thread which serves our connection has had a processor."""
    from django.db import connection

    connection.ensure_connection()
    with connection.connection.cursor() as cursor:  # Django's own would count it
        cursor.execute("SELECT tid FROM information_schema.processlist WHERE id = CONNECTION_ID()")
        (thread,) = cursor.fetchone()
    return int(Path(f"/proc/{world.server.pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9


def _filled(sql: str, params: Any) -> str:
    """The query as it was sent, to be explained."""
    from django.db import connection

    if not params:
        return sql
    connection.ensure_connection()
    return sql % tuple(connection.connection.literal(value).decode() for value in params)


def calls(world: Loopback, user: str) -> Iterator[Call]:
    """What users ask for."""
    from videos.models import Video

    api = Api(world.token(user))
    mine = Video.objects.filter(user=user)
    some = iter(mine.filter(status="completed").order_by("-created_at").values_list("pk", flat=True)[200:300])
    video = next(some)
    deep = _page(api, min(1000, mine.count() // PAGE))
    yield Call("list", lambda: api("GET", "/videos"))
    yield Call("list, page 1,000", lambda: api("GET", deep))
    yield Call("list, failed", lambda: api("GET", "/videos?status=failed"))
    yield Call("search, frequent word", lambda: api("GET", "/videos?search=honey"))
    yield Call("search, word that no title has", lambda: api("GET", "/videos?search=hornets"))
    yield Call("detail", lambda: api("GET", f"/videos/{video}"))
    yield Call("transcript", lambda: api("GET", f"/videos/{video}/transcript"))
    yield Call("list of transcripts", lambda: api("GET", "/transcripts"))
    yield Call("quota", lambda: api("GET", "/me"))
    yield Call("submit", lambda: api("POST", "/analyze", {"url": f"https://youtu.be/{uuid.uuid4().hex[:11]}"}))
    yield Call("delete", lambda: api("DELETE", f"/videos/{next(some)}"))


def _page(api: Api, number: int) -> str:
    """The address of a user's page with this number, reached by larger ones: a cursor knows no size."""
    answer = api("GET", "/videos?page_size=100")
    for _ in range((number - 1) * PAGE // 100 - 1):
        answer = api("GET", "/videos?" + answer["next"].partition("?")[2])
    return "/videos?" + str(answer["next"]).partition("?")[2].replace("page_size=100", f"page_size={PAGE}")


def chores() -> Iterator[Call]:
    """What operators ask for, and the minute's sweep."""
    from django.core.management import call_command

    from videos import queue, reprocessing
    from videos.models import Video

    def sweep() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            call_command("sweep")

    for _ in range(20):  # of a backlog, and of hours that were never counted
        sweep()
    ended = Video.objects.filter(user=STEADY, status="completed")
    tens = reprocessing.tens(list(ended.values_list("pk", flat=True)[:200]))
    states = [Video.Status.COMPLETED, Video.Status.FAILED]
    yield Call("sweep", sweep, rounds=5)
    yield Call("reprocess, a row", lambda: reprocessing.start(next(tens), states=states), per=queue.SENT_AT_ONCE)
    rows = Video.objects.filter(user=STEADY, status="failed")
    yield Call("reprocess, find a user's", lambda: list(reprocessing.slices(rows)), rounds=3)


def grow(size: int) -> None:
    """Until there are so many videos."""
    from django.db import connection

    from videos.models import Video

    heavy = min(HEAVY_HAS_AT_MOST, size // 2)
    have = Video.objects.count()
    began = time.perf_counter()
    if not have:
        seed.fill(size, max(10, size // 100), given={STEADY: STEADY_HAS, HEAVY: heavy})
    else:
        seed.copy(have + heavy - Video.objects.filter(user=HEAVY).count(), only=HEAVY)
        seed.copy(size, without=(STEADY, HEAVY))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE videos, transcripts, attempts")
    print(f"\r{size:,} videos after {time.perf_counter() - began:.0f} s", file=sys.stderr)


def explained(sql: str) -> Iterator[str]:
    """How the database answers it."""
    from django.db import connection

    yield sql[:600]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        yield from ("    " + " ".join(str(part) for part in row) for row in cursor.fetchall())


Costs = dict[tuple[str, str], dict[int, Cost]]  # by call and user, by size


def measure(world: Loopback, size: int, costs: Costs, *, plans: bool) -> None:
    """All calls at this size."""
    for user in (STEADY, HEAVY, ""):
        wanted = list(calls(world, user) if user else chores())
        for call, cost in zip(wanted, costs_of(wanted, world), strict=True):
            found = costs.setdefault((call.name, NAMES[user]), {})
            found[size] = cost
            if plans and found[size].both > GROWN * min(earlier.both for earlier in found.values()):
                print(
                    "\n".join(
                        [f"\n{call.name}, {NAMES[user]}, {size:,}: {found[size][:5]}", *explained(found[size].slowest)]
                    )
                )


def table(costs: Costs, sizes: list[int]) -> Iterator[str]:
    """In Markdown: milliseconds, and of these in queries."""
    yield "| call | user | " + " | ".join(f"{size:,}" for size in sizes) + " | ours, CPU | database, CPU | queries |"
    yield "|---" * (len(sizes) + 5) + "|"
    for (name, user), found in costs.items():
        last = found[sizes[-1]]
        cells = [f"{found[size].wall:.1f} ({found[size].sql:.1f})" for size in sizes]
        spent = f"{last.cpu:.1f} | {last.database_cpu:.1f} | {last.queries}"
        yield f"| {name} | {user or '–'} | {' | '.join(cells)} | {spent} |"


def deep_of_first(costs: Costs, size: int) -> float:
    """Page 1,000 as a part of page 1, on both processors."""
    return costs["list, page 1,000", "heavy"][size].both / costs["list", "heavy"][size].both


def numbers(costs: Costs) -> Iterator[tuple[str, float]]:
    """Each by its name, in milliseconds; and one that is a part."""
    last = max(size for found in costs.values() for size in found)
    yield "growth/page 1,000 of page 1", round(deep_of_first(costs, last), 3)
    for (name, user), found in costs.items():
        for size, cost in found.items():
            for kind in ("wall", "cpu", "database_cpu", "sql"):
                whose = f"/{user}" if user else ""
                yield f"growth/{name}{whose}/{size}/{kind}_ms", round(getattr(cost, kind), 3)


def main() -> None:
    """Measures, prints and draws."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10000,100000", help="videos in the table, growing (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write name and number there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw it there, as PNG")
    parser.add_argument("--plans", action="store_true", help="also say by which plan is answered what has grown")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    costs: Costs = {}
    with loopback(QUOTA_SUBMISSIONS_PER_DAY="0", QUOTA_VIDEOS="0") as world:
        for size in sizes:
            grow(size)
            measure(world, size, costs, plans=options.plans)
    print("\nMilliseconds by the clock (of these in queries), medians; CPU at the largest size.\n")
    print("\n".join(table(costs, sizes)))
    print(f"\nPage 1,000 takes {deep_of_first(costs, sizes[-1]):.2f} of page 1.")
    if options.json:
        options.json.write_text(json.dumps(dict(numbers(costs)), indent=1) + "\n", "utf-8")
    if options.plot:
        both = {key: {size: cost.both for size, cost in found.items()} for key, found in costs.items()}
        growth_chart.draw(both, options.plot)


if __name__ == "__main__":
    main()
