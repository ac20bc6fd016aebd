"""Rows T: what operators do, and what the service does for them when nobody looks."""

import json
import signal
import threading

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from local.youtube import Site
from tests import builders, tokens
from tests.faults.preparations import Command
from tests.faults.scenes import completed, forget_messages, listener, spoken
from tests.faults.world import World
from transcripts.models import Transcript
from videos.models import Breaker, Deletion, Video

pytestmark = pytest.mark.faults

BOT_CHECK = "Sign in to confirm you’re not a bot"
FOREIGN = "a body that nobody here has written"


def failed(world: World) -> Video:
    """A row that has failed, and would succeed now."""
    video = builders.failed(youtube_id=world.clip().id, mode="captions")
    world.submitted.add(video.pk)
    return video


def unsent(world: World, number: int) -> list[Video]:
    """Accepted, but no message could be sent."""
    videos = [world.submit() for _ in range(number)]
    world.purge()
    Video.objects.update(enqueued_at=None)
    return videos


def refused(world: World, number: int) -> list[Video]:
    """YouTube takes us for a machine, whichever of them we ask for."""
    return [world.submit(world.clip().refuse(BOT_CHECK)) for _ in range(number)]


def wait_until_parked(world: World, videos: list[Video]) -> None:
    def parked() -> bool:
        rows = [world.now(video) for video in videos]
        return all((row.status, row.error_code) == ("queued", "source_unavailable") for row in rows)

    world.wait_for(lambda: parked() and world.settled(), "all wait for YouTube")
    forget_messages(world)  # what was sent with a delay of a minute


def let_the_wait_be_over() -> None:
    """For the breaker, and for all that wait for it."""
    Breaker.objects.update(retry_at=timezone.now())
    Video.objects.filter(status="queued").update(retry_at=None, enqueued_at=None)


def downloads(world: World) -> int:
    """How often sound has been asked for."""
    return [request.endpoint for request in world.youtube.log].count("media")


def seconds_until(moment) -> float:
    return (moment - timezone.now()).total_seconds()


def test_t01_a_bulk_reprocess_that_is_interrupted_goes_on_where_it_stopped(world):
    videos = [failed(world) for _ in range(30)]
    command = Command(("reprocess", *(str(video.pk) for video in videos)))

    with world.queue.delay(0.1):
        first = world.worker(command)
        world.wait_for(lambda: Video.objects.filter(status="queued").count() > 5, "some are queued")
        first.signal(signal.SIGINT)
        assert first.exit_code(within=20) != 0
    assert Video.objects.filter(status="failed").exists()
    assert world.worker(command).exit_code(within=20) == 1  # because some had been started

    assert {world.now(video).fence for video in videos} == {2}
    world.converge()
    assert [world.outcomes(video) for video in videos] == [["failed", "completed"]] * 30


def test_t02_a_sweep_that_has_not_run_for_long_catches_up(world):
    videos = unsent(world, 40)
    for video in videos[:20]:
        world.bury(video)
    abandoned = [Video.objects.claim(video.pk) for video in videos[:5]]
    Video.objects.filter(status="processing").update(lease_expires_at=timezone.now())
    Deletion.objects.bulk_create(Deletion(prefix=f"videos/{number}/") for number in range(40))

    assert world.sweep() == 0
    assert (world.waiting(), Deletion.objects.due().exists()) == (40, False)
    assert world.sweep() == 0
    assert world.dead_letters() == []

    world.converge(workers=3)
    assert {world.status(video) for video in videos} == {"completed"}
    assert {tuple(world.outcomes(video)) for video in abandoned} == {("lost", "completed")}


def test_t03_messages_of_older_and_newer_versions_are_understood(world):
    old, new, wrong = unsent(world, 3)
    world.send(json.dumps({"video_id": str(old.pk)}))
    world.send(json.dumps({"video_id": str(new.pk), "url": new.url, "user_id": new.user_id, "version": 9, "more": {}}))
    world.send(json.dumps({"video_id": str(wrong.pk), "url": "https://youtu.be/dQw4w9WgXcQ", "user_id": tokens.BOB}))
    world.worker()
    for video in (old, new, wrong):
        world.wait_until(video, "completed")

    world.converge()

    assert set(world.extractions()) == {old.youtube_id, new.youtube_id, wrong.youtube_id}
    assert {transcript.user_id for transcript in Transcript.objects.all()} == {tokens.ALICE}


def test_t04_three_refusals_in_a_row_stop_all_workers_from_asking(world):
    api = world.api()
    assert api.call("GET", "/health").body["status"] == "ok"
    first = refused(world, 3)
    world.worker()
    world.sweeper()
    wait_until_parked(world, first)
    asked = world.extractions().total()

    later = [world.submit() for _ in range(3)]
    world.workers(2)
    wait_until_parked(world, later)

    assert asked == 3
    assert world.extractions().total() == asked
    assert [world.outcomes(video) for video in later] == [[], [], []]
    health = api.call("GET", "/health")
    assert (health.status, health.body["status"], health.body["youtube"]["status"]) == (200, "degraded", "unavailable")
    assert health.body["youtube"]["retry_at"] is not None
    shown = api.call("GET", f"/videos/{later[0].pk}").body
    assert (shown["status"], shown["error"]["code"], shown["attempt"]) == ("queued", "source_unavailable", 0)
    assert 0 < seconds_until(world.now(later[0]).retry_at) < 120
    world.converge()


def test_t05_one_worker_at_a_time_asks_whether_youtube_answers_again(world):
    videos = refused(world, 4)
    worker = world.worker()
    world.sweeper()
    wait_until_parked(world, videos)
    worker.kill()
    asked = world.extractions().total()
    answer = threading.Event()

    def wait(site: Site) -> bool:
        answer.wait(30)
        return False

    for clip in world.clips.values():
        clip.player, clip.faults["watch"] = None, wait
    world.workers(4)
    let_the_wait_be_over()
    world.wait_for(lambda: world.extractions().total() > asked, "one asks")
    world.wait_for(lambda: Video.objects.filter(error_code="source_unavailable").count() == 3, "the others do not")
    world.let_pass(1)
    assert world.extractions().total() == asked + 1

    answer.set()
    world.wait_for(lambda: Video.objects.filter(status="completed").count() == 1, "the one is completed")
    assert not Breaker.objects.youtube().is_open
    assert world.api().call("GET", "/health").body["status"] == "ok"
    let_the_wait_be_over()
    world.converge(parked=False)
    assert {world.status(video) for video in videos} == {"completed"}


def test_t06_a_probe_that_fails_makes_all_wait_for_longer(world):
    videos = refused(world, 3)
    world.workers(2)
    world.sweeper()
    wait_until_parked(world, videos)
    asked, before = world.extractions().total(), Breaker.objects.youtube()

    let_the_wait_be_over()
    world.wait_for(lambda: Breaker.objects.youtube().failures > before.failures, "a probe has failed")
    wait_until_parked(world, videos)

    breaker = Breaker.objects.youtube()
    assert world.extractions().total() == asked + 1
    assert (breaker.is_open, breaker.opened_at) == (True, before.opened_at)
    assert seconds_until(breaker.retry_at) > 60
    world.converge()
    assert {world.now(video).attempt for video in videos} <= {0, 1}


def test_t06_a_prober_that_is_killed_does_not_keep_the_others_from_asking(world):
    videos = refused(world, 3)
    worker = world.worker()
    world.sweeper()
    wait_until_parked(world, videos)
    worker.kill()
    for clip in world.clips.values():
        clip.player = None

    prober = world.worker(world.kill_at("extracted"), LEASE_SECONDS=1)
    let_the_wait_be_over()
    assert prober.exit_code(within=20) == -9
    let_the_wait_be_over()

    world.converge()
    world.wait_for(lambda: not Breaker.objects.youtube().is_open, "another one has asked")
    let_the_wait_be_over()
    world.converge(parked=False)
    assert {world.status(video) for video in videos} == {"completed"}


def test_t07_a_long_job_of_a_worker_that_is_told_to_stop_is_taken_over_at_once(world):
    video, sound = spoken(world), threading.Event()
    world.clip_of(video).faults["media"] = lambda site: not sound.wait(30)
    leaving = listener(world, LEASE_SECONDS=600)
    world.wait_for(lambda: downloads(world) == 1, "the sound is being downloaded")
    listener(world)

    leaving.terminate()
    world.wait_for(lambda: downloads(world) == 2, "the other one has begun", within=15)
    assert leaving.exit_code(within=10) == 0
    sound.set()

    world.wait_until(video, "completed")  # without a sweep, and long before the lease would have ended
    assert (world.outcomes(video), world.now(video).attempt) == (["interrupted", "completed"], 1)
    world.converge()


def test_t08_a_dead_letter_of_ours_is_cleared_away_and_its_video_still_completes(world):
    world.put_aside_after(1)
    video = world.submit()
    assert world.worker(world.kill_at("received")).exit_code(within=20) == -9
    world.bury(FOREIGN)
    world.worker()
    world.sweeper(RESEND_AFTER_SECONDS=3600)  # nothing but the dead letter tells it that the message is gone

    world.wait_until(video, "completed")
    world.wait_for(lambda: world.dead_letters() == [FOREIGN], "ours is cleared away")
    world.converge()
    assert world.dead_letters() == [FOREIGN]


def test_t09_a_sweep_that_is_killed_half_way_is_finished_by_the_next(world):
    videos = unsent(world, 12)

    assert world.sweep(world.kill_at("sent", nth=5)) == -9
    assert world.sweep() == 0

    assert (world.waiting(), Video.objects.filter(enqueued_at=None).count()) == (13, 0)
    world.converge()
    assert [world.outcomes(video) for video in videos] == [["completed"]] * 12


def test_t10_a_lost_file_of_a_transcript_is_written_anew(world):
    completed(world)
    path = Transcript.objects.get().s3_path
    written = json.loads(world.read(path))
    default_storage.delete(path)

    assert world.sweep() == 0

    assert json.loads(world.read(path)) == written
    world.converge()


def test_t10_lost_audio_is_forgotten_and_nobody_is_sent_there(world):
    video = completed(world)
    Video.objects.update(s3_path=f"{video.files_prefix}1/audio.webm")
    api = world.api()
    assert api.call("GET", f"/videos/{video.pk}/audio").status == 302

    assert world.sweep() == 0

    assert api.call("GET", f"/videos/{video.pk}/audio").status == 404
    assert world.status(video) == "completed"
    world.converge()


def test_t11_a_worker_frozen_within_its_transaction_holds_nobody_else_up(world):
    locked = world.submit()
    worker = world.worker(world.freeze_at("precommit"), LEASE_SECONDS=1)
    world.wait_for(lambda: worker.frozen, "the worker is frozen with its row locked")
    others = [world.submit() for _ in range(2)] + [world.submit(user=tokens.BOB)]
    world.purge()
    world.sweeper(RESEND_AFTER_SECONDS=1)
    world.worker()

    for other in others:
        world.wait_until(other, "completed", within=40)

    assert world.status(locked) == "processing"
    worker.thaw()
    world.converge()
