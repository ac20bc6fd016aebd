"""Rows A: what the API answers while what it stands on is away, and how soon."""

import http.client
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings

from tests import tokens
from tests.faults.hooks import Raise
from tests.faults.key_server import KeyServer
from tests.faults.processes import Answer, Api
from tests.faults.proxy import Chunk, Commit, Fate, Loss, Pass, Statement, Vanish, sqs
from tests.faults.scenes import completed, has_logged
from tests.faults.world import World
from transcripts.models import Transcript
from transcripts.segments import Segment, plain_text
from videos import quotas
from videos.models import Video

pytestmark = pytest.mark.faults

SECONDS = 10  # for any answer, whatever is away
NEW_VIDEO = Statement(b"INSERT INTO `videos`")


@pytest.fixture
def video(world) -> Video:
    return completed(world)


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    with KeyServer() as server:
        yield server


def analyze(api: Api, world: World) -> Answer:
    """Submits a video that nobody has submitted before."""
    answer = api.call("POST", "/analyze", link(world))
    world.submitted.update(video.pk for video in Video.objects.all())
    return answer


def link(world: World) -> dict[str, str]:
    """The body that asks for a video that nobody has submitted before."""
    return {"url": f"https://youtu.be/{world.clip().id}", "mode": "captions"}


def submissions() -> int:
    """How many have been counted."""
    return quotas.standing(tokens.ALICE).submissions.used


def at_once(calls: int, call: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(calls) as callers:
        return list(callers.map(call, range(calls)))


def enter_admin(api: Api) -> Answer:
    """With the cookie of a session, which lies in the database."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", api._port, timeout=60)
    cookie = f"{settings.SESSION_COOKIE_NAME}=4c0b1d8e6f2a4c0b1d8e6f2a4c0b1d8e"
    connection.request("GET", "/admin/login/", headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return Answer(answer.status, None, answer.headers, time.monotonic() - begun)


def assert_unavailable(answer: Answer, code: str = "database_unavailable") -> None:
    """Soon, and in words that a program understands."""
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.seconds < SECONDS
    assert answer.body is None or answer.body["code"] == code


def requests(video: Video) -> list[tuple]:
    """One of each kind that asks the database."""
    path = f"/videos/{video.pk}"
    return [
        ("GET", "/health"),
        ("GET", "/me"),
        ("GET", "/videos"),
        ("GET", path),
        ("GET", f"{path}/transcript"),
        ("GET", f"{path}/attempts"),
        ("GET", f"{path}/audio"),
        ("GET", "/transcripts"),
        ("POST", "/analyze", {"url": "https://youtu.be/dQw4w9WgXcQ"}),
        ("POST", f"{path}/retry"),
        ("POST", f"{path}/cancel"),
        ("DELETE", path),
    ]


def everything(api: Api, video: Video) -> list[Answer]:
    """All of them at once."""
    wanted = requests(video)
    with ThreadPoolExecutor(len(wanted) + 1) as callers:
        admin = callers.submit(enter_admin, api)
        answers = list(callers.map(lambda request: api.call(*request), wanted))
        return [*answers, admin.result()]


def test_a01_it_accepts_nothing_while_the_database_refuses_connections(world, video):
    api = world.api()

    with world.database.refuse():
        for answer in everything(api, video):
            assert_unavailable(answer)

    assert (Video.objects.count(), world.status(video), world.waiting()) == (1, "completed", 0)
    assert api.call("GET", "/health").status == 200
    world.converge()


def test_a02_it_answers_every_request_within_ten_seconds_when_the_database_is_black_holed(world, video):
    api = world.api()

    with world.database.black_hole():
        for answer in everything(api, video):
            assert_unavailable(answer)

    assert (Video.objects.count(), world.status(video), world.waiting()) == (1, "completed", 0)
    assert api.call("GET", "/health").status == 200
    world.converge()


def test_a02_it_does_so_on_a_connection_that_was_good_a_moment_ago(world):
    api = world.api(role="lambda")
    assert api.call("GET", "/me").status == 200

    with world.database.black_hole():
        assert_unavailable(analyze(api, world))

    assert not Video.objects.exists()
    assert analyze(api, world).status == 202
    world.converge()


def test_a02_it_does_so_in_the_middle_of_a_transaction(world):
    api = world.api()
    gone = False

    def rule(chunk: Chunk) -> Fate:
        nonlocal gone
        gone = gone or NEW_VIDEO(chunk)
        return Vanish() if gone else Pass()

    with world.database.follow(rule):
        assert_unavailable(analyze(api, world))

    world.converge()
    assert not Video.objects.exists()


def test_a03_it_accepts_a_video_once_when_the_answer_to_its_commit_is_lost(world):
    lost = Loss(Commit(after=b"INSERT INTO `videos`"), reply=True)
    api = world.api()

    with world.database.follow(lost):
        answer = analyze(api, world)

    assert (answer.status, answer.seconds < SECONDS, lost.count) == (202, True, 1)
    world.converge()
    assert [str(video.pk) for video in Video.objects.all()] == [answer.body["id"]]
    assert submissions() == 1


def test_a03_a_caller_who_has_heard_nothing_asks_again_with_the_same_key_and_is_counted_once(world):
    dying, body, key = world.api(world.kill_at("inserted")), link(world), "8e03978e-40d5"
    with pytest.raises((OSError, http.client.HTTPException)):
        dying.call("POST", "/analyze", body, key=key)
    video = Video.objects.get()
    world.submitted.add(video.pk)

    answer = world.api().call("POST", "/analyze", body, key=key)

    assert (answer.status, answer.body["id"], submissions()) == (202, str(video.pk), 1)
    world.converge()
    assert world.outcomes(video) == ["completed"]


def test_a04_twenty_requests_at_once_with_one_key_are_one(world):
    api, body = world.api(), link(world)

    answers = at_once(20, lambda _: api.call("POST", "/analyze", body, key="one-key"))

    video = Video.objects.get()
    world.submitted.add(video.pk)
    assert {(answer.status, answer.body["id"]) for answer in answers} == {(202, str(video.pk))}
    assert submissions() == 1
    world.converge()
    assert world.outcomes(video) == ["completed"]


def test_a05_another_link_with_the_same_key_is_refused(world):
    api = world.api()
    first = api.call("POST", "/analyze", link(world), key="one-key")
    video = Video.objects.get()
    world.submitted.add(video.pk)

    other = api.call("POST", "/analyze", link(world), key="one-key")

    assert (other.status, first.status) == (422, 202)
    assert (other.body["code"], Video.objects.count(), submissions()) == ("idempotency_mismatch", 1, 1)
    world.converge()


def test_a06_it_accepts_a_video_within_five_seconds_when_the_queue_is_black_holed(world):
    api = world.api()

    with world.queue.black_hole():
        answer = analyze(api, world)

    assert (answer.status, answer.seconds < 5) == (202, True)
    world.converge()
    assert world.status(Video.objects.get()) == "completed"


def test_a06_it_accepts_a_video_when_the_answer_of_the_queue_is_lost(world):
    lost = Loss(sqs("SendMessage"), reply=True)
    api = world.api()

    with world.queue.follow(lost):
        answer = analyze(api, world)

    assert (answer.status, answer.seconds < 5, lost.count) == (202, True, 1)
    world.converge()
    assert world.outcomes(Video.objects.get()) == ["completed"]


def test_a07_sixty_at_once_get_exactly_the_ten_that_a_day_allows(world):
    api = world.api(QUOTA_SUBMISSIONS_PER_DAY=10)
    bodies = [link(world) for _ in range(60)]

    with ThreadPoolExecutor(30) as callers:
        answers = list(callers.map(lambda body: api.call("POST", "/analyze", body), bodies))

    world.submitted.update(Video.objects.values_list("pk", flat=True))
    statuses = [answer.status for answer in answers]
    assert (statuses.count(202), statuses.count(429)) == (10, 50)
    assert (Video.objects.count(), submissions()) == (10, 10)
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    world.converge()
    assert api.call("GET", "/me").body["quota"]["submissions"]["remaining"] == 0


def test_a08_it_says_that_it_cannot_check_tokens_when_it_has_never_had_the_keys(world, keys):
    refused, swallowed = world.api(keys, COGNITO_JWKS=""), world.api(keys, COGNITO_JWKS="")

    with keys.proxy.refuse():
        assert_unavailable(refused.call("GET", "/me"), "authentication_unavailable")
    with keys.proxy.black_hole():
        assert_unavailable(swallowed.call("GET", "/me"), "authentication_unavailable")


def test_a08_it_goes_on_with_the_keys_that_it_has(world, keys):
    api = world.api(keys, COGNITO_JWKS="")
    assert api.call("GET", "/me").status == 200

    with keys.proxy.refuse():
        assert api.call("GET", "/me", user=tokens.BOB).status == 200


def test_a09_it_shows_transcripts_while_storage_is_down(world, video):
    api = world.api()
    paths = [f"/videos/{video.pk}/transcript?format={name}" for name in ("json", "txt", "srt", "vtt")]

    with world.storage.refuse():
        answers = [api.call("GET", path) for path in [*paths, "/transcripts", f"/videos/{video.pk}"]]

    assert [answer.status for answer in answers] == [200] * 6
    assert world.text(video) in answers[1].body.decode()


def test_a09_it_deletes_a_video_before_api_gateway_gives_up_when_storage_is_black_holed(world, video):
    api = world.api()

    with world.storage.black_hole():
        deleted = api.call("DELETE", f"/videos/{video.pk}")

    assert (deleted.status, deleted.seconds < SECONDS) == (204, True)
    world.sweeper()
    world.wait_for(lambda: not world.objects(video), "its files are gone")
    world.converge()


def test_a10_a_transcript_that_lambda_cannot_carry_is_fetched_from_storage(world, video):
    segments = [Segment(n, n + 1, "so many words " * 10) for n in range(45_000)]
    Transcript.objects.filter(video=video).update(content=plain_text(segments), segment_rows=segments)
    api = world.api()

    answer = api.call("GET", f"/videos/{video.pk}/transcript?format=txt")

    assert answer.status == 302
    with urllib.request.urlopen(answer.headers["Location"]) as fetched:
        assert fetched.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert fetched.read().decode() == plain_text(segments) + "\n"
    assert api.call("DELETE", f"/videos/{video.pk}").status == 204
    world.converge()
    assert not world.objects(video)


def test_a11_it_keeps_what_it_was_sent_by_somebody_who_has_hung_up(world):
    api = world.api()
    link = {"url": f"https://youtu.be/{world.clip().id}", "mode": "captions"}

    with api.request("POST", "/analyze", link):
        pass
    world.wait_for(Video.objects.exists, "the video is there")
    again = api.call("POST", "/analyze", link)

    video = Video.objects.get()
    assert again.body["id"] == str(video.pk)
    world.submitted.add(video.pk)
    world.converge()
    assert world.outcomes(video) == ["completed"]


def test_a12_it_tells_the_log_and_not_the_caller_what_went_wrong(world):
    api = world.api(world.hook("inserted", Raise(RuntimeError("the password is swordfish"))))

    answer = analyze(api, world)

    assert (answer.status, answer.body["code"]) == (500, "internal_error")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "swordfish" not in str(answer.body)
    world.wait_for(lambda: has_logged(api, "RuntimeError: the password is swordfish"), "the log has it")
    assert "Traceback" in api.log()
    world.converge()  # the row was there already
    assert world.status(Video.objects.get()) == "completed"
