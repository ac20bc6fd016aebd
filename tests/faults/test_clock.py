"""Row X09: clocks differ between machines, and no job may depend on them."""

import pytest

pytestmark = pytest.mark.faults


def test_x09_workers_whose_clocks_are_wrong_neither_steal_nor_keep_a_job(world):
    videos = [world.submit(world.clip().hold()) for _ in range(2)]
    for minutes in (10, -10):
        world.worker(clock=minutes * 60, WORKER_JOBS=1)  # so that each has one of them
    world.sweeper()
    for video in videos:
        world.wait_until_reading(video)
    for _ in range(4):  # more than a lease
        for video in videos:
            world.send(video)
        world.let_pass(1)
    for video in videos:
        world.clip_of(video).let_go()

    world.converge()

    assert [world.outcomes(video) for video in videos] == [["completed"]] * 2
