"""Rows X: people and operators change their mind about a video while it is in work."""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest
from django.core.management import call_command
from django.db import connection

from tests import tokens
from tests.faults.processes import Process
from tests.faults.scenes import completed, failed, has_logged
from tests.faults.world import World
from transcripts.models import Transcript
from videos import services
from videos.models import Video

pytestmark = pytest.mark.faults


def at_work(world: World) -> tuple[Video, Process]:
    """A video that a worker is busy with, until its clip is let go."""
    video = world.submit(world.clip().hold())
    worker = world.worker()
    world.wait_until_reading(video)
    return video, worker


def frozen_at(point: str, world: World, *, then_killed_at: str = "") -> tuple[Video, Process]:
    """A worker stops there with a video in hand."""
    video = world.submit()
    points = [world.freeze_at(point)] + [world.kill_at(later) for later in [then_killed_at] if later]
    worker = world.worker(*points)
    world.wait_for(lambda: worker.frozen, f"the worker is frozen at {point}")
    return video, worker


def at_once(calls: int, call) -> list:
    """What so many callers get who all call at the same moment."""
    together = threading.Barrier(calls)

    def one(number: int) -> object:
        together.wait()
        try:
            return call(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(calls) as callers:
        return list(callers.map(one, range(calls)))


def delete(world: World, video: Video) -> None:
    """By the API, which takes it back to nothing that anybody could see."""
    api = world.api()
    assert api.call("DELETE", f"/videos/{video.pk}").status == 204
    assert api.call("GET", f"/videos/{video.pk}").status == 404


def test_x01_a_video_that_is_deleted_while_in_work_leaves_nothing(world):
    video, worker = at_work(world)

    delete(world, video)
    world.clip_of(video).let_go()

    worker.terminate()
    assert worker.exit_code(within=20) == 0
    assert (world.status(video), world.objects(video)) == ("deleted", {})
    world.converge()
    assert not Transcript.objects.exists()


def test_x02_a_worker_that_writes_a_file_after_the_deletion_removes_it_itself(world):
    video, worker = frozen_at("worked", world)

    delete(world, video)
    worker.thaw()
    worker.terminate()

    assert worker.exit_code(within=20) == 0
    assert has_logged(worker, "was deleted or taken over")
    assert world.objects(video) == {}
    world.converge()


def test_x03_the_sweep_removes_a_file_that_was_written_after_the_deletion_by_a_worker_killed_then(world):
    video, worker = frozen_at("worked", world, then_killed_at="put")

    delete(world, video)
    worker.thaw()
    assert worker.exit_code(within=20) == -9
    assert len(world.objects(video)) == 1
    assert world.sweep() == 0

    assert world.objects(video) == {}
    world.converge()


def test_x04_the_sweep_finishes_a_deletion_in_which_the_api_was_killed(world):
    video = completed(world)
    api = world.api(world.kill_at("deleted"))

    with pytest.raises((OSError, HTTPException)):
        api.call("DELETE", f"/videos/{video.pk}")
    assert (world.status(video), len(world.objects(video))) == ("deleted", 1)
    assert world.sweep() == 0

    assert world.objects(video) == {}
    world.converge()


def test_x05_twenty_deletions_at_once_delete_one_video_and_nobody_elses(world):
    video, other = completed(world), completed(world)
    api = world.api()

    assert api.call("DELETE", f"/videos/{video.pk}", user=tokens.BOB).status == 404
    assert world.status(video) == "completed"
    answers = at_once(20, lambda _: api.call("DELETE", f"/videos/{video.pk}").status)

    assert (set(answers) <= {204, 404}, 204 in answers) == (True, True)
    assert (world.status(video), world.status(other)) == ("deleted", "completed")
    world.converge()


def test_x06_a_worker_loses_a_video_that_is_forced_to_start_anew(world):
    video, worker = at_work(world)

    call_command("reprocess", str(video.pk), "--force", verbosity=0)
    assert (world.status(video), world.now(video).fence) == ("queued", 2)
    world.clip_of(video).let_go()
    world.wait_for(lambda: has_logged(worker, "was deleted or taken over"), "the worker notices")

    world.converge()
    assert world.outcomes(video) == ["superseded", "completed"]
    assert Transcript.objects.get().s3_path == f"{video.files_prefix}3/transcript.json"


def test_x06_a_worker_loses_a_video_that_its_user_cancels(world):
    video, worker = at_work(world)
    api = world.api()

    cancelled = api.call("POST", f"/videos/{video.pk}/cancel")
    assert (cancelled.status, cancelled.body["status"]) == (200, "failed")
    world.clip_of(video).let_go()
    world.wait_for(lambda: has_logged(worker, "was deleted or taken over"), "the worker notices")

    world.converge()
    assert (world.outcomes(video), world.now(video).error_code) == (["cancelled"], "cancelled")
    assert world.objects(video) == {}


def test_x07_a_transcript_stays_when_a_later_run_fails(world):
    video = completed(world)
    text, files = world.text(video), set(world.objects(video))

    world.clip_of(video).refuse("Private video")
    assert services.reprocess_video(video)
    world.converge()

    assert world.outcomes(video) == ["completed", "failed"]
    assert (world.status(video), world.text(video), set(world.objects(video))) == ("failed", text, files)
    read = world.api().call("GET", f"/videos/{video.pk}/transcript")
    assert (read.status, read.body["content"]) == (200, text)


def test_x07_a_later_success_takes_the_place_of_the_first(world):
    video = completed(world)
    first = Transcript.objects.get()

    assert services.reprocess_video(video)
    world.converge()

    second = Transcript.objects.get()
    assert (second.pk, second.content) == (first.pk, "This is take 2")
    assert set(world.objects(video)) == {second.s3_path} != {first.s3_path}


def test_x08_of_eight_who_start_a_failed_video_anew_one_does(world):
    video = failed(world)
    fence = world.now(video).fence
    api = world.api()

    def start(number: int) -> object:
        if number % 2:
            return services.reprocess_video(world.now(video)) is not None
        return api.call("POST", f"/videos/{video.pk}/retry").status == 202

    assert sorted(at_once(8, start)) == [False] * 7 + [True]

    assert (world.now(video).fence, world.waiting()) == (fence + 1, 1)
    world.converge()
    assert world.outcomes(video) == ["failed", "completed"]


def test_x11_a_queued_video_that_is_deleted_while_storage_is_down_is_never_begun(world):
    video = world.submit()
    world.send(video)

    with world.storage.refuse():
        delete(world, video)
        world.worker()
        world.wait_for(lambda: not world.waiting(), "the messages are deleted")

    world.converge()
    assert not world.extractions()


def test_x12_a_worker_that_wakes_after_its_video_was_started_anew_changes_nothing(world):
    video, stale = frozen_at("put", world)
    world.clip_of(video).hold()
    call_command("reprocess", str(video.pk), "--force", verbosity=0)
    world.worker()
    world.wait_until_reading(video, times=2)

    stale.thaw()
    stale.terminate()

    assert stale.exit_code(within=20) == 0
    assert world.status(video) == "processing"
    world.clip_of(video).let_go()
    world.converge()
    assert world.outcomes(video) == ["superseded", "completed"]
    assert world.text(video) == "This is take 2"


def test_x13_four_sweeps_at_once_one_of_them_killed_cause_no_work_twice(world):
    videos = [world.submit() for _ in range(15)]
    world.purge()
    Video.objects.update(enqueued_at=None)

    dying = world.sweeper(world.kill_at("sent", nth=3))
    for _ in range(3):
        world.sweeper()
    assert dying.exit_code(within=20) == -9

    world.converge(workers=4)
    assert [world.outcomes(video) for video in videos] == [["completed"]] * 15
