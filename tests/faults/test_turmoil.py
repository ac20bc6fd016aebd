"""Row X10: everything at once, for a while."""

import random
import time
from collections import Counter

import pytest

from tests import youtube_scenarios
from tests.faults.world import World
from videos.models import Attempt, Video

pytestmark = pytest.mark.faults

SEED = 7
VIDEOS = 24
WORKERS = 4
SECONDS = 10
KILL_EVERY_SECONDS = 0.8


def crowd(world: World, chance: random.Random) -> list[Video]:
    """Videos of which some are refused for good, some for now, and some have two messages."""
    videos = []
    for _ in range(VIDEOS):
        clip = world.clip()
        fate = chance.random()
        if fate < 0.1:
            clip.refuse("Private video")
        elif fate < 0.2:
            clip.answer_first(youtube_scenarios.answers(403))
        videos.append(world.submit(clip))
        if chance.random() < 0.1:
            world.send(videos[-1])
    return videos


def test_x10_nothing_is_stuck_lost_or_done_twice_after_kills_resets_and_errors_in_any_order(world):
    chance = random.Random(SEED)
    videos = crowd(world, chance)
    world.sweeper()
    workers = world.workers(WORKERS)
    kills = 0

    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        world.let_pass(KILL_EVERY_SECONDS)
        workers.pop(chance.randrange(len(workers))).kill()
        kills += 1
        if chance.random() < 0.4:
            chance.choice([world.database, world.storage, world.queue]).hang_up()
        if chance.random() < 0.2:
            world.send(chance.choice(videos))
        workers.append(world.worker())

    world.converge(within=60, workers=WORKERS)

    statuses = Counter(world.status(video) for video in videos)
    assert kills >= SECONDS / KILL_EVERY_SECONDS / 2
    assert set(statuses) <= {"completed", "failed"}
    assert statuses["completed"] > VIDEOS / 2
    assert Attempt.objects.filter(outcome=Attempt.Outcome.LOST).exists()
