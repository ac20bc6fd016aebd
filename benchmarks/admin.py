"""How long the admin's pages take on the database of ``DATABASE_URL``, and by which plan it answers.

    DATABASE_URL=mysql://… python -m benchmarks.admin

Needs rows (``benchmarks.seed``). Each page is asked five times in this process, the median counts; prints a table in
Markdown, and with ``--plans`` what the database says of the slowest query. Actions are done for good, to a hundred
videos each.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from typing import Any

import django

ROUNDS = 5


def pages() -> Iterator[tuple[str, str]]:
    """What is asked, by what staff would call it."""
    from videos.models import Video

    some = Video.objects.filter(status="completed").order_by("-created_at", "pk")[500]
    videos = "/admin/videos/video/"
    yield "front page", "/admin/"
    yield "videos, first page", videos
    yield "videos, page 200", f"{videos}?p=200"
    for state in ("queued", "processing", "completed", "failed", "stuck"):
        yield f"state: {state}", f"{videos}?state={state}"
    yield "error code: no_captions", f"{videos}?code=no_captions"
    yield "error code: worker_lost (rare)", f"{videos}?code=worker_lost"
    yield "source: speech", f"{videos}?source=speech"
    yield "language: en", f"{videos}?language=en"
    yield "language: is (rare)", f"{videos}?language=is"
    yield "age: last 24 hours", f"{videos}?age=day"
    yield "age: older than 30 days", f"{videos}?age=older"
    yield "failed, last 7 days", f"{videos}?state=failed&age=week"
    yield "speech, in Icelandic (both rare together)", f"{videos}?source=speech&language=is"
    yield "search: id", f"{videos}?q={some.pk}"
    yield "search: id without hyphens", f"{videos}?q={some.pk.hex}"
    yield "search: link", f"{videos}?q=https://youtu.be/{some.youtube_id}"
    yield "search: YouTube id", f"{videos}?q={some.youtube_id}"
    yield "search: e-mail", f"{videos}?q={some.user.email}"
    yield "search: user's id", f"{videos}?q={some.user_id}"
    yield "search: a frequent word", f"{videos}?q=honey"
    yield "search: words that no title has", f"{videos}?q=hornets"
    yield "search: words that no title has, failed ones", f"{videos}?q=hornets&state=failed"
    yield "a video", f"{videos}{some.pk}/change/"
    yield "transcripts, first page", "/admin/transcripts/transcript/"
    yield "transcripts, search: link", f"/admin/transcripts/transcript/?q=https://youtu.be/{some.youtube_id}"
    yield "transcripts, search: a frequent word", "/admin/transcripts/transcript/?q=honey"
    yield "users, first page", "/admin/accounts/user/"
    yield "users, search: e-mail", f"/admin/accounts/user/?q={some.user.email}"
    yield "a user", f"/admin/accounts/user/{some.user_id}/change/"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin", description=__doc__.splitlines()[0])
    parser.add_argument("--plans", action="store_true", help="also say by which plan the slowest query is answered")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ytbackend.settings")
    django.setup()
    from django.test import Client

    from accounts.models import User
    from videos import rollup

    began = time.perf_counter()
    runs = 1
    while rollup.roll_up() > 1:
        runs += 1
    print(f"\n30 days of hours and the snapshots: {time.perf_counter() - began:.1f} s in {runs} sweeps\n")
    user, _ = User.objects.get_or_create(id="measure", defaults={"is_staff": True, "is_superuser": True})
    browser = Client(SERVER_NAME="localhost")
    browser.force_login(user, backend="ytbackend.staff.LocalAccounts")
    print("| page | ms | queries | of that, in the database |\n|---|---|---|---|")
    for name, address in pages():
        print(_measured(browser, name, address, plans=options.plans), flush=True)
    _act(browser)


def _measured(browser: Any, name: str, address: str, *, plans: bool) -> str:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser.get(address)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        status = browser.get(address).status_code
        times.append(time.perf_counter() - began)
    with CaptureQueriesContext(connection) as asked:
        browser.get(address)
    inside = sum(float(query["time"]) for query in asked)
    row = f"| {name} | {statistics.median(times) * 1000:.0f} | {len(asked)} | {inside * 1000:.0f} |"
    if status != 200:
        row += f" ANSWERED {status}"
    if plans:
        slowest = max((query for query in asked if "SELECT" in query["sql"]), key=lambda query: float(query["time"]))
        row += f"\n{slowest['sql'][-260:]}\n" + "\n".join(f"    {line}" for line in _plan(slowest["sql"]))
    return row


def _plan(sql: str) -> list[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return [" ".join(str(part) for part in row) for row in cursor.fetchall()]


def _act(browser: Any) -> None:
    """A hundred at once, as much as a page of the admin lets anybody do."""
    from videos.models import Video

    failed = Video.objects.filter(status="failed").order_by("-created_at", "pk")
    for name in ("reprocess", "cancel", "delete"):
        ids = ",".join(pk.hex for pk in failed.values_list("pk", flat=True)[:100])
        if name == "cancel":
            ids = ",".join(pk.hex for pk in Video.objects.filter(status="queued").values_list("pk", flat=True)[:100])
        began = time.perf_counter()
        browser.post(f"/admin/videos/video/do/{name}", {"ids": ids})
        print(f"| {name} 100 | {(time.perf_counter() - began) * 1000:.0f} | | |", flush=True)


if __name__ == "__main__":
    main()
