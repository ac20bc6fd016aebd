"""``POST /analyze``: what is accepted, what is refused, and what lies in the database and the queue afterwards."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from tests.conftest import client_of, messages
from tests.tokens import ALICE
from videos.models import Video

pytestmark = pytest.mark.django_db(transaction=True)

LINK = "https://youtu.be/dQw4w9WgXcQ?si=abc"


def test_it_accepts_a_link_and_says_where_to_look(alice, sqs):
    answer = alice.post("/analyze", {"url": LINK})

    assert answer.status_code == 202
    video = answer.json()
    assert answer["Location"] == f"/videos/{video['id']}"
    assert int(answer["Retry-After"]) > 0
    assert alice.get(answer["Location"]).json() == video


def test_it_answers_the_video_with_every_field_of_the_api(alice, sqs):
    video = alice.post("/analyze", {"url": LINK, "language": "pt-br", "mode": "speech"}).json()

    assert {name: video.pop(name) is not None for name in ("id", "created_at", "updated_at")}
    assert video == {
        "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "youtube_id": "dQw4w9WgXcQ",
        "title": None,
        "channel": None,
        "duration_ms": None,
        "thumbnail_url": "https://i.ytimg.com/vi/dQw4w9WgXcQ/hqdefault.jpg",
        "language": "pt-BR",
        "mode": "speech",
        "source": None,
        "status": "queued",
        "stage": None,
        "progress": 0,
        "attempt": 0,
        "retry_at": None,
        "error": None,
        "completed_at": None,
    }


def test_it_sends_exactly_the_three_strings_of_the_message(alice, sqs, settings):
    video = alice.post("/analyze", {"url": LINK}).json()

    assert messages(sqs, settings) == [{"video_id": video["id"], "url": video["url"], "user_id": ALICE}]


def test_it_stamps_the_row_once_the_message_is_sent(alice, sqs):
    video = alice.post("/analyze", {"url": LINK}).json()

    assert Video.objects.get(pk=video["id"]).enqueued_at is not None


def test_it_accepts_a_link_while_the_queue_is_down(alice, settings):
    settings.SQS_QUEUE_URL = "http://127.0.0.1:1/queue"

    answer = alice.post("/analyze", {"url": LINK})

    assert answer.status_code == 202
    assert Video.objects.get(pk=answer.json()["id"]).enqueued_at is None


def test_it_answers_within_five_seconds_while_the_queue_hangs(alice, silent_queue):
    began = time.monotonic()

    answer = alice.post("/analyze", {"url": LINK})

    assert answer.status_code == 202
    assert time.monotonic() - began < 5


def test_it_answers_the_same_video_for_the_same_link_in_another_shape(alice, sqs, settings):
    first = alice.post("/analyze", {"url": LINK})
    second = alice.post("/analyze", {"url": "m.youtube.com/watch?v=dQw4w9WgXcQ&list=PL1"})

    assert second.status_code == 200
    assert second["Location"] == first["Location"]
    assert second.json()["id"] == first.json()["id"]
    assert len(messages(sqs, settings)) == 1


def test_it_starts_a_failed_video_again_with_what_is_asked_for_now(alice, sqs, settings):
    video = alice.post("/analyze", {"url": LINK}).json()
    claimed = Video.objects.claim(video["id"])
    claimed.fail("video_private", "This video is private.", retryable=False)
    messages(sqs, settings)

    answer = alice.post("/analyze", {"url": LINK, "mode": "captions", "language": "de"})

    assert answer.status_code == 202
    again = answer.json()
    assert (again["id"], again["status"], again["attempt"], again["error"]) == (video["id"], "queued", 0, None)
    assert (again["mode"], again["language"]) == ("captions", "de")
    assert [message["video_id"] for message in messages(sqs, settings)] == [video["id"]]


def test_it_tells_apart_links_whose_ids_differ_by_case_alone(alice, sqs):
    one = alice.post("/analyze", {"url": "https://youtu.be/dQw4w9WgXcQ"})
    other = alice.post("/analyze", {"url": "https://youtu.be/DQw4w9WgXcQ"})

    assert (one.status_code, other.status_code) == (202, 202)
    assert one.json()["id"] != other.json()["id"]


def test_it_gives_each_user_a_video_of_their_own(alice, bob, sqs):
    hers, his = (client.post("/analyze", {"url": LINK}).json() for client in (alice, bob))

    assert hers["id"] != his["id"]


def test_it_makes_one_row_of_many_requests_at_once(sqs, settings):
    clients = [client_of(ALICE, "alice@example.com") for _ in range(8)]

    def post(client):
        try:
            return client.post("/analyze", {"url": LINK}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(post, clients))

    assert statuses == [200] * 7 + [202]
    assert len(messages(sqs, settings)) == 1


@pytest.mark.parametrize(
    ("body", "pointer", "hint"),
    [
        ({}, "#/url", "required"),
        ({"url": None}, "#/url", "null"),
        ({"url": ""}, "#/url", "Paste the link"),
        ({"url": 7}, "#/url", "text"),
        ({"url": True}, "#/url", "text"),
        ({"url": [LINK]}, "#/url", "text"),
        ({"url": "https://vimeo.com/12345"}, "#/url", "YouTube"),
        ({"url": "https://www.youtube.com/playlist?list=PL1"}, "#/url", "playlist"),
        ({"url": "https://youtu.be/" + "x" * 9000}, "#/url", "characters"),
        ({"url": LINK, "mode": "magic"}, "#/mode", "auto, captions, speech"),
        ({"url": LINK, "mode": ["auto"]}, "#/mode", "auto, captions, speech"),
        ({"url": LINK, "a/b?~": 1}, "#/a~1b%3F~0", "not known"),
        ({"url": LINK, "language": "klingon!"}, "#/language", "BCP 47"),
        ({"url": LINK, "language": 7}, "#/language", "string"),
        ({"url": LINK, "lang": "en"}, "#/lang", "Known are: url, language, mode"),
        ({"url": LINK, "status": "completed"}, "#/status", "not known"),
        ([LINK], "#", "JSON object"),
        ("text", "#", "JSON object"),
        (None, "#", "No data"),
    ],
)
def test_it_refuses_a_bad_body_and_names_the_place(alice, body, pointer, hint):
    answer = alice.post("/analyze", json.dumps(body), content_type="application/json")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert [place["pointer"] for place in problem["errors"]] == [pointer]
    assert hint in problem["errors"][0]["detail"]
    assert not Video.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"{", b"url=x", b'{"url": "\xff"}', b'{"url": NaN}', b"[" * 16_000, b"9" * 5000],
)
def test_it_refuses_what_is_no_json(alice, body):
    answer = alice.post("/analyze", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_json"
    assert "JSON" in answer.json()["detail"]


def test_it_refuses_a_key_that_stands_twice(alice):
    answer = alice.post("/analyze", b'{"url": "a", "url": "b"}', content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert '"url" stands twice' in answer.json()["detail"]


def test_it_takes_an_empty_body_for_one_without_a_link(alice):
    answer = alice.post("/analyze", b"", content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"pointer": "#/url", "detail": "This field is required."}]


def test_it_refuses_a_megabyte_without_reading_it(alice):
    answer = alice.post("/analyze", json.dumps({"url": "x" * 1_000_000}), content_type="application/json")

    assert answer.status_code == 413
    assert "16384" in answer.json()["detail"]


def test_it_refuses_a_form(alice):
    answer = alice.post("/analyze", "url=x", content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"
    assert "application/json" in answer.json()["detail"]


def test_it_refuses_a_method_that_is_not_there(alice):
    answer = alice.get("/analyze")

    assert answer.status_code == 405
    assert answer["Allow"] == "POST, OPTIONS"
    assert answer.json()["code"] == "method_not_allowed"


def test_it_refuses_who_has_no_token(stranger):
    answer = stranger.post("/analyze", {"url": LINK})

    assert answer.status_code == 401
    assert not Video.objects.exists()
