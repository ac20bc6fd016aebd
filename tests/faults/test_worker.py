"""Rows W: what happens to a worker, and what must not come of it."""

import pytest

pytestmark = pytest.mark.faults


def killed_at(point: str, world) -> None:
    """A worker is killed there; another one finishes the job."""
    video = world.submit()
    first = world.worker(world.kill_at(point))
    assert first.exit_code(within=20) == -9
    world.converge()
    assert world.status(video) == "completed"


def test_w01_a_worker_that_is_killed_with_a_message_in_hand_loses_nothing(world):
    killed_at("received", world)


def test_w02_a_worker_that_is_killed_after_its_claim_loses_nothing(world):
    killed_at("claimed", world)


def test_w04_a_worker_that_is_killed_after_the_file_and_before_the_row_leaves_no_file(world):
    killed_at("put", world)
