"""What callers see, whatever they and the workers do, against an oracle; and whether that would notice a bug."""

import logging
import os
import sys

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase
from hypothesis import settings as how
from hypothesis.stateful import run_state_machine_as_test

from tests.guards.machine import Machine
from tests.guards.ownership import unprepared
from tests.videos.test_state_machine import seed
from transcripts.models import TranscriptQuerySet
from videos import own_videos, services, views
from videos.models import Video, VideoQuerySet
from ytbackend import pagination

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(7200)]

# A number makes a long run that goes other ways each time; without it, each run goes the same ways.
EXAMPLES = int(os.environ.get("API_MACHINE_EXAMPLES", "0"))


@pytest.fixture(autouse=True)
def _surroundings(settings, tmp_path):
    """There is no queue: the machine's workers find their work in the rows, and callers must not notice."""
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "videos.files.SignedFileSystemStorage", "OPTIONS": {"location": tmp_path}}
    }
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def explore(examples: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=how(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=not EXAMPLES,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_callers_see_what_the_oracle_says_in_any_order():
    before = Machine.answers

    explore(EXAMPLES or 12)

    sys.stdout.write(f"{Machine.answers - before} answers of the API")  # with -rP
    assert Machine.answers - before > 1000


# What the code says, and what it might say instead.
BUGS = {
    "a list shows what is another's": (own_videos._own_rows, "let_in()", "Q()"),
    "a video is everybody's": (VideoQuerySet.for_user, "filter(user=user)", "all()"),
    "a transcript is everybody's": (TranscriptQuerySet.for_user, "filter(user=user)", "all()"),
    "retry takes what is completed": (services.retry_video, "[Video.Status.FAILED]", '["failed", "completed"]'),
    "cancel takes what has ended": (
        Video.cancel,
        "filter(status__in=[self.Status.QUEUED, self.Status.PROCESSING])",
        "all()",
    ),
    "cancel does not cancel what is in work": (Video.cancel, ", self.Status.PROCESSING", ""),
    "deleted is only said": (services.delete_video, "deletion = repeated", "deletion = None and repeated"),
    "a link that failed is not started again": (services._started, "started = video.retry(**what)", "started = False"),
    "a link is started again with what was asked for before": (
        services._started,
        "video.retry(**what)",
        "video.retry()",
    ),
    "a late worker is heard": (Video._write, ", fence=self.fence", ""),
    "a filter filters nothing": (own_videos._matching, "if has_status:", "if False:"),
    "a page begins with the end of the last": (
        pagination._beyond,
        '(f"id__{side}", row)',
        '(f"id__{side}e", row)',
    ),
    "the oldest is first": (views.VideoListView.get, 'order=wanted["ordering"]', 'order="created_at"'),
}


# In each run those that any exploration finds soon; in a long run all of them.
SOON = [
    "a list shows what is another's",
    "deleted is only said",
    "retry takes what is completed",
    "the oldest is first",
]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="It is the machine that is tested here, not the database.")
@pytest.mark.parametrize("bug", BUGS if EXAMPLES else SOON)
def test_the_machine_notices_that(bug, monkeypatch):
    seed(monkeypatch, *BUGS[bug])
    unprepared(monkeypatch)

    with pytest.raises(BaseException) as noticed:  # noqa: PT011 - the machine's own, or what the database refuses
        explore(max(EXAMPLES, 200))

    assert not isinstance(noticed.value, KeyboardInterrupt)
