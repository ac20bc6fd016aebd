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
    from benchmarks import seed
    from videos.models import Video

    seed.fill(OWN + OTHERS, 100, given={SUB: OWN})
    completed = Video.objects.filter(user_id=SUB, status="completed")
    return Stored(SUB, str(completed.values_list("id", flat=True)[0]))


def fresh_links() -> Iterator[str]:
    """Links that nobody has submitted."""
    while True:
        yield f"https://youtu.be/{uuid.uuid4().hex[:11]}"
