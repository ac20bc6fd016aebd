"""Whether all that the service stands on is there, each with a sentence that says what to do."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.core.checks import ERROR, WARNING, run_checks
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from videos import files, queue
from videos.models import Breaker


class Finding(NamedTuple):
    """One thing that was looked at; ``status`` is ``ok``, ``warning`` or ``failed``."""

    name: str
    status: str
    detail: str


def findings() -> list[Finding]:
    """A look at everything; takes as long as the slowest time-outs, a few seconds. Raises nothing that they raise."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (_settings, _database, _queue, _storage, _youtube)
    return [finding for look in looks for finding in look()]


def _settings() -> Iterator[Finding]:
    """What ``manage.py check --deploy`` says. Its checks of migrations are not among it: they run with ``migrate``."""
    said = [message for message in run_checks(include_deployment_checks=True) if message.level >= WARNING]
    for message in said:
        if not message.is_silenced():
            detail = f"{message.msg} {message.hint or ''}".strip()
            yield Finding(f"check {message.id}", "failed" if message.level >= ERROR else "warning", detail)
    if all(message.is_silenced() for message in said):
        yield Finding("checks", "ok", "`manage.py check --deploy` has nothing to say.")


def _database() -> Iterator[Finding]:
    try:
        executor = MigrationExecutor(connection)
        missing = [str(one) for one, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    except Error as error:
        yield Finding("database", "failed", f"It cannot be asked: {error} Look at DATABASE_URL and at the server.")
        return
    if missing:
        yield Finding("database", "failed", f"Run `manage.py migrate`. Not applied: {', '.join(missing)}.")
    else:
        yield Finding("database", "ok", f"{connection.display_name} answers, and every migration is applied.")


def _queue() -> Iterator[Finding]:
    try:
        waiting, has_dead_letters = queue.state()
    except queue.QueueUnavailable as error:
        yield Finding("queue", "failed", f"{error} Look at SQS_QUEUE_URL, the network and the rights; links wait.")
        return
    if has_dead_letters:
        yield Finding("queue", "ok", f"It answers. About {waiting} messages wait.")
    else:
        yield Finding(
            "queue",
            "warning",
            f"About {waiting} messages wait, but it has no redrive policy. Give it one to a dead-letter queue, with a "
            "maxReceiveCount of 10, or a message that nobody can read comes back for ever.",
        )


def _storage() -> Iterator[Finding]:
    try:
        files.listed(after="", limit=1)
    except files.errors() as error:
        yield Finding(
            "storage", "failed", f"It cannot be listed: {error} Look at S3_BUCKET or DATA_DIR, and the rights."
        )
    else:
        yield Finding("storage", "ok", "It answers.")


def _youtube() -> Iterator[Finding]:
    try:
        breaker = Breaker.objects.youtube()
    except Error:
        return  # the database has had its say
    if breaker.is_open:
        yield Finding(
            "youtube",
            "failed",
            f"It has refused everything since {breaker.opened_at:%F %T} UTC ({breaker.code}). Videos wait, and one is "
            f"tried at {breaker.retry_at:%T} UTC. If that goes on, look at YOUTUBE_PROXY_URL and renew yt-dlp.",
        )
    else:
        yield Finding("youtube", "ok", "It answers, as far as the last videos tell.")
