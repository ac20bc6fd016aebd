"""A database like one that has served for a year: for measuring what staff see with a million rows.

    DATABASE_URL=mysql://… python -m benchmarks.seed --videos 1000000 --users 10000

Writes rows in bulk, past the transitions, with what the transitions would have written: states, codes, languages,
sources, attempts and times as they are seen in such services, more by day than by night, a few users with very many.
On MySQL and MariaDB most are copies that the database makes itself, of other ids and other times. Needs empty tables
that are migrated.
"""

import argparse
import contextlib
import os
import random
import sys
import uuid
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import django

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
WORDS = (
    "how to build a small house with bees and honey in the garden part one interview live lecture history of music "
    "science news review cooking tutorial travel night morning best of season final guide talk physics river mountain"
)
CODES = {
    "no_captions": 30,
    "video_private": 20,
    "video_unavailable": 20,
    "video_removed": 10,
    "source_refused": 8,
    "no_speech": 5,
    "video_too_long": 4,
    "cancelled": 2,
    "worker_lost": 1,
}
PASSING = {"source_refused": 50, "source_rate_limited": 30, "source_too_slow": 15, "worker_stopped": 5}
LANGUAGES = {"en": 55, "de": 12, "es": 10, "fr": 6, "pt-BR": 5, "ja": 4, "hi": 4, "uk": 2, "ko": 1, "is": 0.02}
BATCH = 2000
MADE = 50_000  # rows; the others are copies of them


class Maker:
    """Makes rows from a seed."""

    def __init__(self, seed: int, now: datetime, days: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.now, self.days = now, days

    def pick(self, weights: dict[str, Any]) -> str:
        """One of these, as often as its weight says."""
        return self.random.choices(list(weights), list(weights.values()))[0]

    def uuid(self) -> uuid.UUID:
        """Random, and the same for the same seed."""
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def moment(self) -> datetime:
        """Some time in the past days, more of them lately, and more at noon than at night."""
        day = self.now - timedelta(days=self.days * self.random.random() ** 1.5)
        noon = self.random.gauss(13, 4) % 24
        return min(self.now, day.replace(hour=int(noon), minute=self.random.randrange(60)))


def videos(
    make: Maker, count: int, user_ids: list[str], given: Mapping[str, int]
) -> Iterator[tuple[Any, list[Any], Any]]:
    """Videos, each with its attempts and, if it is complete, its transcript. None twice for a user.

    ``given``: so many for these; the others have the rest, a few of them very many.
    """
    from transcripts.models import Transcript
    from videos.models import Attempt, Video
    from videos.youtube_url import watch_url

    words = WORDS.split(" ")
    owners = [user_id for user_id, number in given.items() for _ in range(number)]
    for number in range(count):
        youtube_id = "".join(make.random.choices(LETTERS, k=7)) + f"{number % 10000:04}"
        created = make.moment()
        state = make.pick({"completed": 88, "failed": 11, "queued": 0.8, "processing": 0.01})
        if state in ("queued", "processing"):
            created = make.now - timedelta(seconds=make.random.random() * 7200)
        video = Video(
            id=make.uuid(),
            user_id=owners[number]
            if number < len(owners)
            else user_ids[int(len(user_ids) * make.random.random() ** 3)],
            youtube_id=youtube_id,
            url=watch_url(youtube_id),
            title=" ".join(make.random.choices(words, k=make.random.randint(3, 9))).capitalize(),
            channel=" ".join(make.random.choices(words, k=2)).title(),
            duration_ms=int(make.random.lognormvariate(13.3, 1)),
            status=state,
            requested_at=created,
            created_at=created,
            updated_at=created,
            enqueued_at=created,
            fence=1,
        )
        started = created + timedelta(seconds=make.random.lognormvariate(2.2, 1.2))
        ended = started + timedelta(seconds=make.random.lognormvariate(3.5, 1.1))
        attempt = Attempt(
            video=video,
            fence=1,
            number=1,
            worker=f"worker-{make.random.randrange(4)}:1",
            requested_at=created,
            started_at=started,
            ended_at=ended,
            stage="storing",
            outcome=state,
        )
        attempts = [attempt]
        transcript = None
        if make.random.random() < 0.06 and state in ("completed", "failed"):
            code = make.pick(PASSING)
            early = Attempt(
                video=video, fence=1, number=1, worker=attempt.worker, requested_at=created, started_at=started
            )
            early.ended_at, early.stage, early.outcome, early.error_code = ended, "metadata", "released", code
            attempt.started_at += timedelta(minutes=2)
            attempt.ended_at = ended = ended + timedelta(minutes=2)
            attempt.fence = attempt.number = video.fence = 2
            attempts = [early, attempt]
        if state == "completed":
            video.source = make.pick({"captions": 78, "speech": 22})
            video.language = make.pick(LANGUAGES)
            video.completed_at, video.progress = ended, 100
            said = [(n * 4000, n * 4000 + 3900, " ".join(make.random.choices(words, k=9))) for n in range(6)]
            transcript = Transcript(
                id=make.uuid(),
                video=video,
                user_id=video.user_id,
                language=video.language,
                source=video.source,
                engine="youtube" if video.source == "captions" else "faster-whisper",
                model="human",
                content="\n".join(text for _, _, text in said),
                segment_rows=said,
                created_at=ended,
            )
        elif state == "failed":
            video.error_code = attempt.error_code = make.pick(CODES)
            video.error_retryable = not video.error_code.startswith("video_")
            video.error_detail = attempt.error_detail = "It could not be done."
        elif state == "processing":
            attempt.outcome, attempt.ended_at, attempt.stage = "running", None, ""
            video.lease_expires_at, video.stage = make.now + timedelta(seconds=60), "speech"
        else:
            attempts = []
            video.fence = 0
        video.attempt = len(attempts)
        yield video, attempts, transcript


def fill(count: int, users: int, *, given: Mapping[str, int] | None = None, seed: int = 1, days: int = 365) -> None:
    """Writes the rows, and says how far it is. ``given``: users who have so many of the videos."""
    from django.db import connection, transaction
    from django.utils import timezone

    from accounts.models import User
    from transcripts.models import Transcript
    from videos.models import Attempt, Video

    make, given = Maker(seed, timezone.now(), days), given or {}
    people = [User(id=str(make.uuid()), email=f"user{n}@example.com", created_at=make.moment()) for n in range(users)]
    named = [User(id=user_id, email=f"{user_id}@example.com", created_at=make.moment()) for user_id in given]
    own = min(count, MADE) if connection.vendor == "mysql" else count
    batch: list[Any] = []
    with _given_times(User, Video, Transcript):
        User.objects.bulk_create(people + named, batch_size=BATCH)
        for number, made in enumerate(videos(make, own, [person.pk for person in people], given), 1):
            batch.append(made)
            if len(batch) == BATCH or number == own:
                with transaction.atomic():
                    Video.objects.bulk_create([video for video, _, _ in batch])
                    Attempt.objects.bulk_create([attempt for _, attempts, _ in batch for attempt in attempts])
                    Transcript.objects.bulk_create([transcript for _, _, transcript in batch if transcript])
                batch = []
                _tell(number)
    if own < count:
        copy(count)


def copy(count: int, *, only: str = "", without: Collection[str] = ()) -> None:
    """Copies what has ended until there are so many videos: each copy under other ids, and some hours earlier.

    ``only``: of this user; ``without``: of nobody of these.
    """
    from django.db import connection

    from transcripts.models import Transcript
    from videos.models import Attempt, Video

    have = Video.objects.count()
    connection.close()
    connection.settings_dict["OPTIONS"]["read_timeout"] = 3600  # no statement of the service takes as long as these
    number = 0
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0, unique_checks = 0")
        whose = "user_id = %s" if only else "user_id NOT IN %s"
        cursor.execute(
            "CREATE OR REPLACE TEMPORARY TABLE originals AS "
            f"SELECT id FROM videos WHERE status IN ('completed', 'failed') AND {whose}",
            [only or (*without, "")],
        )
        while have < count:
            number += 1
            wanted = f"SELECT id FROM originals LIMIT {count - have}"
            cursor.execute(f"CREATE OR REPLACE TEMPORARY TABLE wanted (PRIMARY KEY (id)) AS {wanted}")
            for model, key in ((Video, "id"), (Attempt, "video_id"), (Transcript, "video_id")):
                cursor.execute(_copying(model, key, number, salt=have))
            cursor.execute("SELECT COUNT(*) FROM wanted")
            have += cursor.fetchone()[0]
            _tell(have)


def _copying(model: Any, key: str, number: int, salt: int) -> str:
    """The statement that copies a table's rows of the wanted videos. No two copies have the same salt."""
    from django.db.models import DateTimeField, UUIDField

    columns, values = [], []
    youtube_id = f"LEFT(MD5(CONCAT(youtube_id, '-', {salt})), 11)"
    for field in model._meta.concrete_fields:
        column, kind = field.column, field.target_field if field.is_relation else field
        if field.primary_key and not isinstance(kind, UUIDField):
            continue
        value = f"t.`{column}`"
        if isinstance(kind, UUIDField):
            hashed = f"MD5(CONCAT(REPLACE(t.`{column}`, '-', ''), '-', {salt}))"
            value = f"INSERT(INSERT({hashed}, 13, 1, '4'), 17, 1, '8')"  # MariaDB takes real UUIDs only
        elif isinstance(kind, DateTimeField):
            value = f"t.`{column}` - INTERVAL {number * 7} HOUR"
        elif column == "youtube_id":
            value = youtube_id
        elif column == "url":
            value = f"CONCAT('https://www.youtube.com/watch?v=', {youtube_id})"
        columns.append(f"`{column}`")
        values.append(value)
    table = model._meta.db_table
    chosen = f"SELECT {', '.join(values)} FROM `{table}` t JOIN wanted ON wanted.id = t.`{key}`"
    return f"INSERT INTO `{table}` ({', '.join(columns)}) {chosen}"


def _tell(number: int) -> None:
    print(f"\r{number:,} videos", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _given_times(*models: Any) -> Iterator[None]:
    """Rows are as old as they are said to be."""
    fields = [field for model in models for field in model._meta.fields]
    before = [(field, vars(field).copy()) for field in fields]
    for field in fields:
        field.auto_now = field.auto_now_add = False
    try:
        yield
    finally:
        for field, options in before:
            vars(field).clear()
            vars(field).update(options)


def main() -> None:
    """Fills the database of ``DATABASE_URL``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seed", description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ytbackend.settings")
    django.setup()
    fill(options.videos, options.users, seed=options.seed)


if __name__ == "__main__":
    main()
