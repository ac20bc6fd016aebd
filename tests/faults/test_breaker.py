"""Row B01: when YouTube refuses everybody it is left alone, and the videos wait."""

import pytest
from django.db.models.functions import Now

from tests import youtube_scenarios
from videos.models import Breaker, Video

pytestmark = pytest.mark.faults


def time_has_come() -> None:
    """What waits for YouTube has waited long enough."""
    Breaker.objects.filter(opened_at__isnull=False).update(retry_at=Now())
    Video.objects.filter(status=Video.Status.QUEUED).update(retry_at=Now())


def test_b01_a_source_that_refuses_everybody_is_left_alone_and_no_video_fails(world):
    clips = [world.clip() for _ in range(12)]
    refusal = youtube_scenarios.answers(429)
    for clip in clips:
        clip.faults |= {"watch": refusal, "player": refusal}
    videos = [world.submit(clip) for clip in clips]
    world.workers(2)

    world.wait_for(lambda: not Video.objects.filter(retry_at=None).exists(), "all of them wait")
    assert 3 <= world.extractions().total() <= 3 + 5  # in a row, and what two workers had under way
    assert {world.status(video) for video in videos} == {"queued"}

    for clip in clips:
        del clip.faults["watch"], clip.faults["player"]
    world.purge()  # what was sent with a delay
    world.sweeper()
    time_has_come()
    world.wait_for(lambda: not Breaker.objects.youtube().is_open, "a probe has succeeded")
    time_has_come()
    world.converge(parked=False)
    assert {world.status(video) for video in videos} == {"completed"}
