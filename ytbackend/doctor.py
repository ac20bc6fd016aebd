"""Whether all that the service stands on is well: what can be looked at wherever it runs, on Lambda too.

Each look asks with the time limits that the service itself has: database 8 s, queue 5 s, storage 9 s, keys 3 s. What
only a worker's machine has is looked at by ``transcripts.worker.doctor``.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, WARNING, run_checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error as DatabaseFailed
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts import cognito
from accounts.keyset import KeysUnavailable, keys_from
from transcripts import stored
from videos import files, queue
from videos.deadline import Deadline
from videos.finding import Finding, doubtful, ill, well
from videos.models import Breaker

log = logging.getLogger(__name__)

CLOCK_SECONDS = 5  # by which two clocks may differ; AWS refuses requests whose clock is wrong by 300

Examination = Callable[[], Iterable[Finding]]


def examine(
    examinations: Iterable[Examination] | None = None, *, deadline: Deadline | None = None
) -> Iterator[Finding]:
    """Looks at one thing after the other. Raises nothing: what cannot be looked at is a finding as well.

    After the deadline nothing more is begun.
    """
    for look in examinations or EXAMINATIONS:
        name = look.__name__.replace("_", " ")
        if deadline and deadline.passed():
            yield doubtful(name, "not looked at: no time left", "Run `manage.py doctor`, which takes its time.")
            continue
        begun = time.monotonic()
        try:
            yield from look()
        except Exception as error:  # a doctor who falls ill tells nobody anything
            log.debug("the look at %s failed", name, exc_info=True)
            text = str(error) or type(error).__name__
            yield ill(
                name, f"{text} (after {time.monotonic() - begun:.1f} s)", "This is not expected: tell a developer."
            )


def checks() -> Iterator[Finding]:
    """What ``manage.py check --deploy`` says."""
    said = [m for m in run_checks(include_deployment_checks=True) if m.level >= WARNING and not m.is_silenced()]
    passed_over = [m for m in said if m.level < ERROR] if settings.DEBUG else []
    if passed_over:
        yield doubtful(
            "settings",
            "DJANGO_DEBUG is true, as with make run; where it is deployed these would be wrong: "
            + ", ".join(sorted(str(m.id) for m in passed_over)),
            "On a developer's machine nothing is to do. Elsewhere: DJANGO_DEBUG=false, and `manage.py check --deploy`.",
        )
    for message in [m for m in said if m not in passed_over]:
        make = ill if message.level >= ERROR else doubtful
        yield make("settings", f"{message.msg} ({message.id})", message.hint or "Mend the setting and start again.")
    if not said:
        yield well("settings", "`manage.py check --deploy` has nothing to say")


def database() -> Iterator[Finding]:
    """Whether it answers, and is set up as this service needs it."""
    begun = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            took = (time.monotonic() - begun) * 1000
            yield well("database", f"{connection.display_name} answers in {took:.0f} ms")
            yield from _mysql(cursor) if connection.vendor == "mysql" else _sqlite()
    except DatabaseFailed as error:
        yield ill(
            "database",
            f"it cannot be asked: {error}",
            "Look at DATABASE_URL, whether the server runs, and whether its security group lets this machine in.",
        )


def _sqlite() -> Iterator[Finding]:
    if not settings.DEBUG:
        yield doubtful("database", "it is a SQLite file", "Set DATABASE_URL to mysql://user:password@host:port/name.")


def _mysql(cursor: Any) -> Iterator[Finding]:
    cursor.execute("SELECT @@character_set_database, @@character_set_connection, @@sql_mode, @@time_zone, @@version")
    charset, spoken, mode, zone, version = cursor.fetchone()
    cursor.execute("SHOW VARIABLES WHERE Variable_name IN ('transaction_isolation', 'tx_isolation')")
    isolation = cursor.fetchone()[1]
    wrong = {
        f"the database's character set is {charset}": (charset, "utf8mb4"),
        f"the connection's character set is {spoken}": (spoken, "utf8mb4"),
        f"transactions are {isolation}": (isolation, "READ-COMMITTED"),
        f"the session's time zone is {zone}": (zone, "+00:00"),
        f"sql_mode is {mode}": ("STRICT_TRANS_TABLES" in mode, True),
    }
    found = [text for text, (actual, wanted) in wrong.items() if actual != wanted]
    for text in found:
        yield ill(
            "database",
            text,
            "Take options out of DATABASE_URL that override ytbackend/settings.py; for the character set: "
            "ALTER DATABASE … CHARACTER SET utf8mb4.",
        )
    if not found:
        yield well("database", f"{version}, utf8mb4, read committed, strict, UTC")


def migrations() -> Iterator[Finding]:
    """Whether the tables are those of this code."""
    with contextlib.suppress(DatabaseFailed):  # the database has had its say
        executor = MigrationExecutor(connection)
        missing = [str(one) for one, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
        if missing:
            yield ill("migrations", f"not applied: {', '.join(missing)}", "Run `manage.py migrate`.")
        else:
            yield well("migrations", "every one is applied")


def message_queue() -> Iterator[Finding]:
    """Whether it answers, and where messages go that nobody can read."""
    try:
        depth, url, policy = queue.depth(), queue.dead_letter_url(), queue.redrive_policy()
        dead = sum(queue.depth(url)) if url else 0
    except queue.QueueUnavailable as error:
        yield ill(
            "queue",
            str(error),
            "Look at SQS_QUEUE_URL, AWS_REGION, the credentials, and the rights sqs:SendMessage, ReceiveMessage, "
            "DeleteMessage, ChangeMessageVisibility, GetQueueAttributes. Links are accepted and wait.",
        )
        return
    yield well("queue", f"it answers: {depth.waiting} wait, {depth.in_flight} in hand, {depth.delayed} delayed")
    if not url:
        yield doubtful(
            "dead letters",
            "the queue has no redrive policy: a message that nobody can read comes back for ever",
            "Give it one to a dead-letter queue, with a maxReceiveCount of 10.",
        )
    elif dead:
        yield doubtful("dead letters", f"{dead} lie there", "`manage.py redrive` explains each.")
    else:
        yield well("dead letters", f"none; messages go there after {policy['maxReceiveCount']} receipts")
    if url and int(policy["maxReceiveCount"]) < 5:
        yield doubtful(
            "dead letters",
            f"messages go there after {policy['maxReceiveCount']} receipts",
            "A worker that is stopped gives its message back, which counts: set maxReceiveCount to 10.",
        )


def bucket() -> Iterator[Finding]:
    """Whether files can be listed, written, read and deleted."""
    place = f"bucket {settings.S3_BUCKET}" if settings.S3_BUCKET else f"folder {settings.DATA_DIR / 'files'}"
    key, text = stored.trial_path(), b"written by manage.py doctor, and deleted at once"
    step = "list"
    try:
        files.listed(after="", limit=1)
        step = "write"
        key = default_storage.save(key, ContentFile(text))
        step = "read"
        with default_storage.open(key) as written:
            same = written.read() == text
        step = "delete"
        default_storage.delete(key)
        gone = not default_storage.exists(key)
    except files.errors() as error:
        right = {"list": "s3:ListBucket", "write": "s3:PutObject", "read": "s3:GetObject", "delete": "s3:DeleteObject"}
        yield ill(
            "storage",
            f"{place}: cannot {step}: {error}",
            f"Look at S3_BUCKET or DATA_DIR, the credentials, and the right {right[step]}. Jobs wait until it works."
            + ("" if step in ("list", "write") else f" Then delete {key}."),
        )
        return
    if not (same and gone):
        yield ill("storage", f"{place} gives back other than it was given", "Is it really a bucket, and one alone?")
    else:
        yield well("storage", f"{place}: listed, written, read, deleted")


def keys() -> Iterator[Finding]:
    """Whether tokens can be checked."""
    where = "COGNITO_JWKS" if settings.COGNITO_JWKS else "the pool's own address"
    try:
        issuer = cognito.issuer_of(settings.COGNITO_USER_POOL_ID)
        keys_from(settings.COGNITO_JWKS, issuer=issuer).key("asked-for-by-doctor")
    except (KeysUnavailable, ValueError) as error:
        yield ill(
            "key set",
            f"{where}: {error}",
            "Look at COGNITO_USER_POOL_ID, and at COGNITO_JWKS or the way out to Cognito. Every caller gets a 503.",
        )
    else:
        yield well("key set", f"from {where}")


def clocks() -> Iterator[Finding]:
    """This machine's against those of the database and of SQS."""
    others: list[tuple[str, Callable[[], datetime]]] = [("the database", _database_clock), ("SQS", queue.clock)]
    for whose, read in others:
        with contextlib.suppress(DatabaseFailed, queue.QueueUnavailable):  # they have had their say
            ahead = (timezone.now() - read()).total_seconds()
            if abs(ahead) > CLOCK_SECONDS:
                yield doubtful(
                    "clock",
                    f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} that of {whose}",
                    "Start chrony or systemd-timesyncd on the machine that is wrong. Leases go by the database's "
                    "clock and are safe; AWS refuses what is five minutes off.",
                )
            else:
                yield well("clock", f"as that of {whose}")


def _database_clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT UTC_TIMESTAMP(6)" if connection.vendor == "mysql" else "SELECT CURRENT_TIMESTAMP")
        found = cursor.fetchone()[0]
    moment = datetime.fromisoformat(found) if isinstance(found, str) else found
    return moment.replace(tzinfo=timezone.get_default_timezone())


def breaker() -> Iterator[Finding]:
    """Whether YouTube answers the workers."""
    with contextlib.suppress(DatabaseFailed):
        found = Breaker.objects.youtube()
        if found.is_open:
            yield ill(
                "YouTube",
                f"it has refused everything since {found.opened_at:%F %T} UTC ({found.code}); next try "
                f"{found.retry_at:%T} UTC",
                "Videos wait, none fails. `manage.py check_youtube ID` on a worker's machine says what it answers; "
                "look at YOUTUBE_PROXY_URL and renew yt-dlp.",
            )
        else:
            yield well("YouTube", "it answers, as far as the last videos tell")


EXAMINATIONS: tuple[Examination, ...] = (
    checks,
    database,
    migrations,
    message_queue,
    bucket,
    keys,
    clocks,
    breaker,
)
