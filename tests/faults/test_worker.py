"""Rows W: what happens to a worker, and what must not come of it."""

import pytest

from local.youtube_answers import sample_videos
from tests import tokens, youtube_scenarios
from tests.faults.processes import Process
from tests.faults.scenes import has_logged, listener, spoken
from tests.faults.world import World
from videos import quotas
from videos.models import Video

pytestmark = pytest.mark.faults

SOON = 1  # seconds: the lease of a worker that is going to lose it anyway
ONE_MINUTE = {"QUOTA_SPEECH_MINUTES_PER_MONTH": 1}  # less than twice the sample


def left_by_one_killed_at(point: str, world: World) -> Video:
    """A worker is killed there, and others find what it has left."""
    video = world.submit()
    assert world.worker(world.kill_at(point), LEASE_SECONDS=SOON).exit_code(within=20) == -9
    world.converge()
    assert world.status(video) == "completed"
    return video


def frozen_at(point: str, world: World) -> Process:
    """A worker stops there for longer than its lease."""
    worker = world.worker(world.freeze_at(point), LEASE_SECONDS=SOON)
    world.wait_for(lambda: worker.frozen, f"the worker is frozen at {point}")
    return worker


def wakes_and_ends(worker: Process) -> None:
    """It goes on where it was frozen, does what it thinks it must, and takes no further message."""
    worker.thaw()
    worker.terminate()
    assert worker.exit_code(within=20) == 0


def test_w01_a_worker_killed_with_a_message_in_hand_has_changed_nothing(world):
    video = left_by_one_killed_at("received", world)

    assert world.outcomes(video) == ["completed"]


def test_w02_a_worker_killed_after_its_claim_is_missed_and_replaced(world):
    video = left_by_one_killed_at("claimed", world)

    assert world.outcomes(video) == ["lost", "completed"]


def test_w03_a_worker_killed_with_the_transcript_in_hand_is_replaced(world):
    video = left_by_one_killed_at("worked", world)

    assert world.outcomes(video) == ["lost", "completed"]


def test_w04_a_worker_killed_after_the_file_and_before_the_row_leaves_no_file(world):
    video = left_by_one_killed_at("put", world)

    assert world.outcomes(video) == ["lost", "completed"]
    assert len(world.objects(video)) == 1


def test_w05_a_worker_killed_within_the_completing_transaction_has_completed_nothing(world):
    video = left_by_one_killed_at("precommit", world)

    assert world.outcomes(video) == ["lost", "completed"]


def test_w06_what_is_committed_stays_when_the_worker_is_killed_right_after(world):
    video = left_by_one_killed_at("committed", world)

    assert world.outcomes(video) == ["completed"]


def test_w07_a_message_that_outlives_its_job_does_no_harm(world):
    video = left_by_one_killed_at("predelete", world)

    assert world.outcomes(video) == ["completed"]


def test_w08_a_worker_that_wakes_after_another_has_completed_its_job_changes_nothing(world):
    video = world.submit()
    stale = frozen_at("put", world)
    world.worker()
    world.wait_until(video, "completed")
    text, fence = world.text(video), world.now(video).fence

    wakes_and_ends(stale)

    assert (world.text(video), world.now(video).fence) == (text, fence)
    world.converge()
    assert world.outcomes(video) == ["lost", "completed"]


def test_w09_a_job_longer_than_the_lease_stays_with_its_worker(world):
    video = world.submit(world.clip().hold())
    world.workers(2)
    world.sweeper()
    world.wait_until_reading(video)
    for _ in range(7):  # more than two leases
        world.send(video)
        world.let_pass(1)
    world.clip_of(video).let_go()

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_w10_a_worker_that_is_told_to_stop_finishes_what_is_nearly_done(world):
    video = world.submit(world.clip().hold())
    worker = world.worker()
    world.wait_until_reading(video)

    worker.terminate()
    world.clip_of(video).let_go()

    assert worker.exit_code(within=20) == 0
    assert world.status(video) == "completed"
    world.converge()
    assert world.outcomes(video) == ["completed"]


def test_w10_a_worker_that_is_told_to_stop_gives_back_what_takes_too_long(world):
    video = world.submit(world.clip().hold())
    worker = world.worker(GRACE_SECONDS=0, LEASE_SECONDS=60)
    world.wait_until_reading(video)

    worker.terminate()

    assert worker.exit_code(within=20) == 0
    assert (world.status(video), world.now(video).attempt) == ("queued", 0)
    world.clip_of(video).let_go()
    world.converge()
    assert world.outcomes(video) == ["interrupted", "completed"]


def test_w11_a_video_that_kills_every_worker_is_given_up_and_never_tried_a_fourth_time(world):
    video = world.submit()
    deadly = world.kill_at("worked", always=True)
    for _ in range(3):
        assert world.worker(deadly, LEASE_SECONDS=SOON).exit_code(within=20) == -9

    world.converge()

    assert (world.status(video), world.now(video).error_code) == ("failed", "worker_lost")
    assert world.outcomes(video) == ["lost", "lost", "lost"]


def test_w12_a_passing_error_is_tried_again(world):
    too_many = youtube_scenarios.answers(429)
    video = world.submit(world.clip().answer_first(too_many, too_many))

    world.converge()

    assert world.status(video) == "completed"
    assert world.outcomes(video) == ["released", "released", "completed"]


def test_w13_a_permanent_error_fails_the_video_at_once(world):
    video = world.submit(world.clip().refuse("Private video"))

    world.converge()

    assert (world.status(video), world.now(video).error_code) == ("failed", "video_private")
    assert world.outcomes(video) == ["failed"]


def test_w14_a_worker_that_wakes_while_another_is_busy_with_its_job_changes_nothing(world):
    video = world.submit()
    stale = frozen_at("put", world)
    world.clip_of(video).hold()
    world.worker()
    world.wait_until_reading(video, times=2)

    wakes_and_ends(stale)

    assert world.status(video) == "processing"
    world.clip_of(video).let_go()
    world.converge()
    assert world.outcomes(video) == ["lost", "completed"]
    assert world.text(video).endswith("2")


def test_w15_a_worker_that_wakes_before_it_stores_leaves_the_file_of_its_successor_alone(world):
    video = world.submit()
    stale = frozen_at("worked", world)
    world.worker()
    world.wait_until(video, "completed")

    wakes_and_ends(stale)

    world.converge()
    assert world.outcomes(video) == ["lost", "completed"]
    assert world.text(video).endswith("2")


def listened() -> tuple[bool, int]:
    """Whether about the length of the sample is charged, and what is still set aside."""
    speech = quotas.standing(tokens.ALICE).speech
    return abs(speech.used - sample_videos()[1].duration_ms) < 2000, speech.reserved


def test_w16_a_worker_that_is_killed_while_it_listens_costs_its_user_nothing(world):
    video = spoken(world)
    killed = listener(world, world.kill_at("listening"), **ONE_MINUTE)
    assert killed.exit_code(within=30) == -9
    assert listened() == (False, sample_videos()[1].duration_ms // 1000 * 1000)

    listener(world, **ONE_MINUTE)  # there would not be enough for a second time

    world.wait_until(video, "completed", within=60)
    world.converge()
    assert (world.outcomes(video), listened()) == (["lost", "completed"], (True, 0))


def test_w16_a_worker_that_wakes_when_another_has_listened_charges_nothing(world):
    video = spoken(world)
    frozen = listener(world, world.freeze_at("worked"), **ONE_MINUTE)
    world.wait_for(lambda: frozen.frozen, "the worker is frozen", within=60)

    listener(world, **ONE_MINUTE)
    world.wait_until(video, "completed", within=60)
    frozen.thaw()
    world.wait_for(lambda: has_logged(frozen, "was deleted or taken over"), "it has noticed")

    world.converge()
    assert (world.outcomes(video), listened()) == (["lost", "completed"], (True, 0))


def with_three_in_hand(world: World, **settings: int) -> tuple[Process, list[Video]]:
    """A worker that waits for the captions of three videos at once."""
    videos = [world.submit(world.clip().hold()) for _ in range(3)]
    worker = world.worker(WORKER_JOBS=3, **settings)
    for video in videos:
        world.wait_until_reading(video)
    return worker, videos


def test_w17_a_worker_killed_with_several_jobs_in_hand_is_missed_for_each(world):
    worker, videos = with_three_in_hand(world, LEASE_SECONDS=SOON)

    worker.kill()
    for video in videos:
        world.clip_of(video).let_go()

    world.converge()
    assert [world.outcomes(video) for video in videos] == [["lost", "completed"]] * 3


def test_w17_a_worker_that_wakes_with_several_jobs_that_others_have_completed_changes_nothing(world):
    worker, videos = with_three_in_hand(world, LEASE_SECONDS=SOON)
    worker.freeze()
    for video in videos:
        world.clip_of(video).let_go()
    world.workers(2)
    world.sweeper()
    for video in videos:
        world.wait_until(video, "completed")

    wakes_and_ends(worker)

    world.converge()
    assert [world.outcomes(video) for video in videos] == [["lost", "completed"]] * 3


def test_w17_a_worker_that_is_told_to_stop_gives_all_back_although_no_thread_comes_round(world):
    worker, videos = with_three_in_hand(world, LEASE_SECONDS=60, GRACE_SECONDS=0)

    worker.terminate()

    assert worker.exit_code(within=15) == 0
    assert [(world.status(video), world.now(video).attempt) for video in videos] == [("queued", 0)] * 3
    for video in videos:
        world.clip_of(video).let_go()
    world.converge()
    assert [world.outcomes(video) for video in videos] == [["interrupted", "completed"]] * 3
