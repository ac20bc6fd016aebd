"""Rows Q: what a queue may do to messages, and what must not come of it."""

import http.client
import itertools
import json
import random
import time
import uuid

import pytest

from tests.faults.processes import Api
from tests.faults.proxy import Answer, Chunk, Direction, Fate, Loss, Pass, sqs
from tests.faults.world import World
from videos import queue, services
from videos.models import Video

pytestmark = pytest.mark.faults

NEVER = 3600  # seconds: longer than any row
NO_JOBS = ("not json", "[]", "{}", "null", '{"video_id": "1"}', json.dumps({"video_id": "x" * 250_000}))


def analyze(api: Api, world: World) -> Video:
    """A user submits a link."""
    clip = world.clip()
    answer = api.call("POST", "/analyze", {"url": f"https://youtu.be/{clip.id}", "mode": "captions"})
    assert answer.status == 202
    assert answer.seconds < 5
    return found(world)


def found(world: World) -> Video:
    """The only video that there is."""
    video = Video.objects.get()
    world.submitted.add(video.pk)
    return video


def api_killed_at(point: str, world: World) -> Video:
    """A user submits a link, and there is no answer."""
    api = world.api(world.kill_at(point))
    with pytest.raises((OSError, http.client.HTTPException)):
        analyze(api, world)
    assert api.exit_code(within=10) == -9
    return found(world)


def test_q01_ten_deliveries_of_one_message_are_one_job(world):
    video = world.submit(world.clip().hold())
    for _ in range(9):
        world.send(video)
    world.workers(4)
    world.wait_until_reading(video)
    world.wait_for(lambda: world.visible() == 0, "every message is in somebody's hands")
    world.clip_of(video).let_go()

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_q02_a_message_for_a_completed_video_is_cleared_away(world):
    video = world.submit()
    world.worker()
    world.wait_until(video, "completed")
    before = world.now(video)
    for _ in range(3):
        world.send(video)

    world.converge()

    assert world.now(video).fence == before.fence
    assert world.now(video).updated_at == before.updated_at


def test_q03_a_message_about_nothing_is_cleared_away(world):
    world.send(Video(pk=uuid.uuid4(), url="https://www.youtube.com/watch?v=Clip0000000", user_id="nobody"))

    world.converge()

    assert not Video.objects.exists()
    assert world.dead_letters() == []


def test_q04_messages_that_are_not_ours_are_put_aside_and_hold_nobody_up(world):
    world.put_aside_after(receives=5)
    for body in NO_JOBS:
        world.send(body)
    video = world.submit()
    world.worker(LEASE_SECONDS=1)
    world.wait_until(video, "completed", within=15)

    world.wait_for(lambda: world.waiting() == 0, "all are dead letters", within=60)

    world.converge()
    assert sorted(world.dead_letters()) == sorted(NO_JOBS)
    assert world.outcomes(video) == ["completed"]


def test_q05_an_old_message_after_a_new_request_does_the_new_job_once(world):
    video = world.submit()
    world.worker()
    world.wait_until(video, "completed")
    world.send(video)
    assert services.reprocess_video(video)
    world.send(video)

    world.converge()

    assert world.status(video) == "completed"
    assert world.outcomes(video) == ["completed", "completed"]


def test_q06_a_link_is_accepted_while_the_queue_is_down_and_sent_later(world):
    api = world.api()
    with world.queue.refuse():
        video = analyze(api, world)
    assert (world.status(video), world.now(video).enqueued_at, world.waiting()) == ("queued", None, 0)

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_q07_a_message_whose_receipt_was_lost_is_sent_twice_and_done_once(world):
    api = world.api()
    loss = Loss(sqs("SendMessage"), reply=True)
    with world.queue.follow(loss):
        video = analyze(api, world)
    assert (loss.count, world.waiting(), world.now(video).enqueued_at) == (1, 1, None)
    world.sweep()
    assert world.waiting() == 2

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_q08_a_link_whose_message_was_never_sent_is_not_forgotten(world):
    video = api_killed_at("inserted", world)
    assert (world.status(video), world.waiting()) == ("queued", 0)

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_q09_a_link_whose_message_was_sent_unnoticed_is_done_once(world):
    video = api_killed_at("sent", world)
    assert (world.waiting(), world.now(video).enqueued_at) == (1, None)

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_q10_a_queue_that_has_lost_everything_is_filled_again(world):
    videos = [world.submit() for _ in range(5)]
    world.purge()
    assert world.waiting() == 0

    world.converge()

    assert [world.outcomes(video) for video in videos] == [["completed"]] * 5


def test_q11_a_queue_that_cannot_be_reached_costs_nobody_his_job(world):
    video = world.submit(world.clip().hold())
    world.worker()
    world.wait_until_reading(video)
    with world.queue.refuse():
        world.let_pass(4)  # the message's visibility ends
    world.send(video)
    second = world.worker()
    world.let_pass(2)  # it asks for messages every second
    assert "attempt" not in second.log()
    world.clip_of(video).let_go()

    world.converge()

    assert world.outcomes(video) == ["completed"]


@pytest.mark.parametrize("reply", [False, True], ids=["request", "reply"])
def test_q12_a_message_that_could_not_be_cleared_away_comes_back_and_does_no_harm(world, reply):
    video = world.submit()
    loss = Loss(sqs("DeleteMessage"), reply=reply)
    with world.queue.follow(loss):
        world.worker(LEASE_SECONDS=1)
        world.wait_for(lambda: loss.count, "a deletion is lost")
    assert world.status(video) == "completed"

    world.converge()

    assert world.outcomes(video) == ["completed"]


def test_q13_a_queue_that_refuses_is_asked_less_and_less_often(world):
    asked: list[float] = []

    def throttle(chunk: Chunk) -> Fate:
        if chunk.direction is Direction.REPLY or not sqs("ReceiveMessage")(chunk):
            return Pass()
        asked.append(time.monotonic())
        return Answer(_error("RequestThrottled"))

    with world.queue.follow(throttle):
        worker = world.worker()
        world.wait_for(lambda: len(asked) >= 3, "the worker asks again")
    video = world.submit()
    world.wait_until(video, "completed")

    first, second = (later - earlier for earlier, later in itertools.pairwise(asked[:3]))
    assert 0.5 < first < second
    assert worker.alive
    world.converge()


def _error(code: str) -> bytes:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": code})
    head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def test_q14_messages_in_any_order_and_number_are_one_job_each(world):
    chance = random.Random(14)
    videos = [world.submit() for _ in range(8)]
    again = [video for video in videos for _ in range(chance.randint(0, 4))]
    chance.shuffle(again)
    world.workers(2)
    for video in again:
        world.send(video)
        world.let_pass(chance.uniform(0, 0.2))

    world.converge()

    assert [world.outcomes(video) for video in videos] == [["completed"]] * 8


def test_q15_dead_letters_that_are_sent_once_more_change_nothing_that_has_ended(world):
    completed, failed = world.submit(), world.submit(world.clip().refuse("Private video"))
    world.worker()
    world.wait_until(completed, "completed")
    world.wait_until(failed, "failed")
    for video in (completed, failed):
        world.send(video)  # an operator has moved them back
        world.bury(video)

    world.converge()

    assert [world.outcomes(completed), world.outcomes(failed)] == [["completed"], ["failed"]]
    assert world.dead_letters() == []


def test_q15_a_dead_letter_of_a_video_that_waits_is_replaced_by_a_message(world):
    video = world.submit()
    world.purge()
    world.bury(video)
    world.bury("not ours")
    assert world.sweep(RESEND_AFTER_SECONDS=NEVER) == 0
    assert world.sweep(RESEND_AFTER_SECONDS=NEVER) == 0
    assert world.waiting() == 1

    world.converge()

    assert world.outcomes(video) == ["completed"]
    assert world.dead_letters() == ["not ours"]


def test_q16_a_worker_that_dies_in_the_middle_of_many_loses_none(world):
    videos = [world.submit() for _ in range(10)]
    assert world.worker(world.kill_at("claimed", nth=3), LEASE_SECONDS=1).exit_code(within=20) == -9

    world.converge()

    outcomes = [world.outcomes(video) for video in videos]
    lost = outcomes.count(["lost", "completed"])
    assert 1 <= lost <= 3  # what it had in hand
    assert outcomes.count(["completed"]) == 10 - lost


def test_q17_no_message_of_ours_can_be_refused_for_its_content():
    body = queue.body(Video(pk=uuid.uuid4(), url="https://youtu.be/\x00\ud800\uffff", user_id="\x01" * 64))

    assert body.isascii()
    assert body.isprintable()
    assert len(body) < 1024
    assert set(json.loads(body)) == {"video_id", "url", "user_id"}
