"""Rows S: what storage may do to a worker and to the API, and what must not come of it."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests.faults.processes import Process
from tests.faults.proxy import Direction, Loss, s3
from tests.faults.scenes import completed, has_logged
from tests.faults.world import World
from transcripts.models import Transcript
from videos.models import Video

pytestmark = pytest.mark.faults

FAILS = "storage failed, and is asked again"
LINES = 14_000  # of captions: their file has about a megabyte


def wait_until_asked_again(worker: Process, world: World) -> None:
    """Storage has failed it, and it has the job in hand."""
    world.wait_for(lambda: has_logged(worker, FAILS), "storage fails", within=45)


def assert_done_in_one_go(world: World, video: Video) -> None:
    """Nothing was asked of YouTube twice, and one file is there."""
    assert (world.outcomes(video), world.now(video).attempt) == (["completed"], 1)
    assert len(world.objects(video)) == 1


def test_s01_a_worker_waits_with_its_work_in_hand_while_storage_refuses_connections(world):
    with world.storage.refuse():
        video = world.submit()
        worker = world.worker()
        world.sweeper()
        wait_until_asked_again(worker, world)
        world.let_pass(4)  # longer than its lease

    world.converge()

    assert_done_in_one_go(world, video)


def test_s02_one_file_is_left_when_the_answer_to_the_upload_is_lost(world):
    lost = Loss(s3("PUT", "transcript.json"), reply=True)
    with world.storage.follow(lost):
        video = world.submit()
        worker = world.worker()
        wait_until_asked_again(worker, world)

    world.converge()

    assert lost.count == 1
    assert_done_in_one_go(world, video)


def test_s03_a_video_is_deleted_although_storage_is_down_and_its_files_are_later(world):
    video = completed(world)
    api = world.api()

    with world.storage.refuse():
        deleted = api.call("DELETE", f"/videos/{video.pk}")
        assert (deleted.status, deleted.seconds < 10) == (204, True)
        assert api.call("GET", f"/videos/{video.pk}").status == 404
        assert world.sweep() == 0
        assert len(world.objects(video)) == 1
    assert world.sweep() == 0

    assert world.objects(video) == {}
    world.converge()


def test_s04_the_sweep_removes_the_files_that_a_crash_has_left_and_no_others(world):
    video, other = completed(world), completed(world)
    for left in (video.files_prefix + "7/audio.webm", other.files_prefix + "1/audio.webm"):
        default_storage.save(left, ContentFile(b"nobody names it"))

    assert world.sweep() == 0

    assert set(world.objects()) == set(Transcript.objects.values_list("s3_path", flat=True))
    world.converge()


def test_s05_a_worker_keeps_its_claim_while_storage_swallows_its_upload(world):
    with world.storage.black_hole():
        video = world.submit()
        workers = world.workers(2)
        world.sweeper()
        world.wait_for(lambda: any(has_logged(worker, FAILS) for worker in workers), "it times out", within=45)

    world.converge()

    assert_done_in_one_go(world, video)


def test_s06_no_row_names_a_file_whose_upload_was_cut(world):
    with world.storage.cut(after=300_000, direction=Direction.REQUEST):
        video = world.submit(world.clip(lines=LINES))
        worker = world.worker()
        wait_until_asked_again(worker, world)
        assert not Transcript.objects.exists()

    world.converge()

    assert_done_in_one_go(world, video)
    assert len(world.objects(video).popitem()[1]()) > 1_000_000


def test_s07_storage_that_is_down_for_long_uses_up_none_of_the_attempts(world):
    with world.storage.refuse():
        video = world.submit()
        world.worker(PATIENCE_SECONDS=0, RETRY_BASE_SECONDS=0)
        world.wait_for(lambda: len(world.outcomes(video)) > 5, "more attempts than are allowed")
        assert world.now(video).error_code in ("", "storage_unavailable")

    world.converge()

    *interrupted, completed = world.outcomes(video)
    assert (set(interrupted), completed) == ({"interrupted"}, "completed")
    assert (world.now(video).attempt, len(world.objects(video))) == (1, 1)


def test_s07_a_video_that_storage_has_kept_waiting_for_too_long_is_given_up(world):
    with world.storage.refuse():
        video = world.submit()
        world.worker(PATIENCE_SECONDS=0, GIVE_UP_HOURS=0)
        world.wait_until(video, "failed")

    world.converge()

    now = world.now(video)
    assert (now.error_code, now.error_retryable) == ("storage_unavailable", True)
    assert world.outcomes(video) == ["failed"]


def test_s07_a_worker_that_is_told_to_stop_does_not_wait_for_storage(world):
    with world.storage.refuse():
        video = world.submit()
        worker = world.worker(GRACE_SECONDS=0)
        wait_until_asked_again(worker, world)
        worker.terminate()
        assert worker.exit_code(within=20) == 0
    assert (world.status(video), world.now(video).attempt) == ("queued", 0)

    world.converge()

    assert world.outcomes(video) == ["interrupted", "completed"]
