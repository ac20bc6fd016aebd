"""Rows for the comparison of the stacks: two hundred videos of one caller among those of others."""

import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benchmarks.surroundings import Surroundings

SUB = "a11ce000-0000-4000-8000-000000000001"
OWN, OTHERS = 200, 2000


class Stored(NamedTuple):
    """The caller, and one of their videos."""

    sub: str
    video_id: str


def store(around: "Surroundings") -> Stored:
    """Writes them."""
    os.environ.update(around.environment, DJANGO_SETTINGS_MODULE="ytbackend.settings")
    import django

    django.setup()
    from django.utils import timezone

    from accounts.models import User
    from benchmarks import seed
    from videos.models import Video

    make = seed.Maker(1, timezone.now(), 365)
    seed._keep_given_times(User, Video)
    User.objects.create(id=SUB, email="alice@example.com", password="!", created_at=make.moment())  # noqa: S106
    people = [User(id=str(make.uuid()), created_at=make.moment()) for _ in range(100)]
    User.objects.bulk_create(people)
    own = [video for video, _, _ in seed.videos(make, OWN, [SUB])]
    others = [video for video, _, _ in seed.videos(make, OTHERS, [person.pk for person in people])]
    Video.objects.bulk_create([*own, *others])
    return Stored(SUB, str(next(video.pk for video in own if video.status == "completed")))


def fresh_links() -> Iterator[str]:
    """Links that nobody has submitted."""
    while True:
        yield f"https://youtu.be/{uuid.uuid4().hex[:11]}"
