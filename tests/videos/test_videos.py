"""``/videos`` and what hangs below: list, read, delete, retry, audio."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tests import builders
from tests.conftest import messages
from tests.tokens import ALICE, BOB
from transcripts.models import Transcript
from videos import own_videos
from videos.models import Deletion, Video
from videos.serializers import VideoSerializer
from videos.shown import shown

pytestmark = pytest.mark.django_db(transaction=True)


def pages(client, address):
    """Follows ``next`` to the end; gives the titles page by page."""
    found = []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.content
        found.append([video["title"] for video in answer.json()["results"]])
        address = answer.json()["next"]
    return found


# --- the list


def test_it_lists_the_newest_first(alice):
    for title in ("one", "two", "three"):
        builders.queued(title=title)

    assert pages(alice, "/videos") == [["three", "two", "one"]]


def test_it_pages_through_all_without_repeating_or_losing_one(alice):
    same_moment = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(7):
        builders.queued(title=str(number))
    Video.objects.update(created_at=same_moment)  # the hardest order: none
    Video.objects.filter(title="3").update(created_at=same_moment + timedelta(seconds=1))

    found = pages(alice, "/videos?page_size=2")

    assert [len(page) for page in found] == [2, 2, 2, 1]
    assert sorted(sum(found, [])) == [str(number) for number in range(7)]
    assert found[0][0] == "3"


def test_it_pages_back(alice):
    for number in range(4):
        builders.queued(title=str(number))
    first = alice.get("/videos?page_size=2").json()
    second = alice.get(first["next"]).json()

    assert alice.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("status=queued", ["Bees", "ants and BEES"]),
        ("status=failed", ["Wasps"]),
        ("search=bees", ["Bees", "ants and BEES"]),
        ("search=bees ants", ["ants and BEES"]),
        ("search=garden", ["Wasps"]),
        ("search=100%", []),
        ("ordering=created_at", ["Wasps", "ants and BEES", "Bees"]),
        ("ordering=-title&status=queued&search=bees", None),
        ("status=&search=", ["Bees", "ants and BEES", "Wasps"]),
    ],
)
def test_it_filters_searches_and_orders(alice, query, titles):
    builders.failed(title="Wasps", channel="In the garden")
    builders.queued(title="ants and BEES")
    builders.queued(title="Bees")

    found = pages(alice, f"/videos?{query}&page_size=1")

    if titles is None:
        assert sorted(sum(found, [])) == ["Bees", "ants and BEES"]
    else:
        assert sum(found, []) == titles


@pytest.mark.parametrize(
    ("query", "parameter", "hint"),
    [
        ("cursor=nonsense", "cursor", "next"),
        ("cursor=cD0y%FF", "cursor", "next"),
        ("page_size=0", "page_size", "1"),
        ("page_size=101", "page_size", "100"),
        ("page_size=many", "page_size", "integer"),
        ("status=done", "status", "queued, processing, completed, failed"),
        ("ordering=user", "ordering", "-created_at, created_at, title, -title"),
        ("search=" + "x" * 101, "search", "100"),
        ("stauts=failed", "stauts", "Known are: cursor, page_size, status, search, ordering"),
    ],
)
def test_it_refuses_a_bad_query_and_names_the_parameter(alice, query, parameter, hint):
    answer = alice.get(f"/videos?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == parameter
    assert hint in answer.json()["errors"][0]["detail"]


def test_it_refuses_a_cursor_whose_position_is_no_time(alice):
    builders.queued()

    answer = alice.get("/videos?cursor=cD1ub25zZW5zZQ%3D%3D")  # p=nonsense

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "cursor"


# --- one video


def test_it_says_when_to_ask_again_while_a_video_is_in_work(alice):
    assert alice.get(f"/videos/{builders.processing().pk}")["Retry-After"] == "2"


def test_it_does_not_ask_to_come_back_when_a_video_has_ended(alice):
    assert "Retry-After" not in alice.get(f"/videos/{builders.failed().pk}")


def test_it_shows_why_a_video_failed(alice):
    video = alice.get(f"/videos/{builders.failed().pk}").json()

    assert video["status"] == "failed"
    assert video["error"] == {"code": "video_private", "detail": "This video is private.", "retryable": False}


def test_it_shows_where_a_video_in_work_stands(alice):
    claimed = builders.processing()
    claimed.advance(Video.Stage.SPEECH, 42)

    video = alice.get(f"/videos/{claimed.pk}").json()

    assert (video["status"], video["stage"], video["progress"], video["attempt"]) == ("processing", "speech", 42, 1)


def test_it_writes_times_in_utc(alice):
    video = alice.get(f"/videos/{builders.completed().pk}").json()

    assert all(video[name].endswith("Z") for name in ("created_at", "updated_at", "completed_at"))


def test_it_keeps_storage_keys_leases_and_fences_inside(alice):
    video = alice.get(f"/videos/{builders.completed(s3_path='videos/x/1/audio.webm').pk}").json()

    assert not {"s3_path", "fence", "lease_token", "lease_expires_at", "enqueued_at", "user"} & video.keys()


EVERY_WAY = [
    ("get", "/videos/{id}"),
    ("delete", "/videos/{id}"),
    ("post", "/videos/{id}/retry"),
    ("get", "/videos/{id}/audio"),
    ("get", "/videos/{id}/transcript"),
]


@pytest.mark.parametrize(("method", "address"), EVERY_WAY)
def test_it_answers_404_for_the_video_of_another_user(bob, charlie, method, address):
    hers = builders.failed(ALICE)
    builders.queued(BOB)

    answers = [getattr(client, method)(address.format(id=hers.pk)) for client in (bob, charlie)]

    assert [answer.status_code for answer in answers] == [404, 404]
    hers.refresh_from_db()
    assert hers.status == "failed"


@pytest.mark.parametrize(("method", "address"), EVERY_WAY)
@pytest.mark.parametrize("bad", ["1", "no-uuid", "%00", "x" * 3000, str(uuid.uuid4())])
def test_it_answers_404_for_an_id_that_names_nothing(alice, method, address, bad):
    answer = getattr(alice, method)(address.format(id=bad))

    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


# --- deletion


def test_it_deletes_row_transcript_and_files(alice):
    video = builders.completed()
    for name in ("1/audio.webm", "1/transcript.json", "2/audio.webm"):
        default_storage.save(video.files_prefix + name, ContentFile(b"x"))

    answer = alice.delete(f"/videos/{video.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not Video.objects.exists()
    assert not Transcript.objects.exists()
    assert not default_storage.exists(video.files_prefix)


def test_it_remembers_which_files_must_go_until_no_worker_can_write_any_more(alice):
    video = builders.completed()

    alice.delete(f"/videos/{video.pk}")

    deletion = Deletion.objects.get(prefix=video.files_prefix)
    assert deletion.due_at == deletion.requested_at + Deletion.GRACE


def test_it_deletes_only_once(alice):
    video = builders.completed()

    assert [alice.delete(f"/videos/{video.pk}").status_code for _ in range(2)] == [204, 404]


def test_it_accepts_a_deleted_link_again_at_once(alice, sqs):
    video = builders.completed(youtube_id="dQw4w9WgXcQ")
    alice.delete(f"/videos/{video.pk}")

    answer = alice.post("/analyze", {"url": "https://youtu.be/dQw4w9WgXcQ"})

    assert answer.status_code == 202
    assert answer.json()["id"] != str(video.pk)


# --- retry


def test_it_retries_a_failed_video(alice, sqs, settings):
    video = builders.failed()

    answer = alice.post(f"/videos/{video.pk}/retry")

    assert answer.status_code == 202
    assert answer["Location"] == f"/videos/{video.pk}"
    assert (answer.json()["status"], answer.json()["attempt"], answer.json()["error"]) == ("queued", 0, None)
    assert [message["video_id"] for message in messages(sqs, settings)] == [str(video.pk)]


@pytest.mark.parametrize("state", ["queued", "processing", "completed"])
def test_it_refuses_to_retry_what_has_not_failed(alice, state):
    video = getattr(builders, state)()

    answer = alice.post(f"/videos/{video.pk}/retry")

    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["state"]) == ("conflict", state)


# --- cancel, attempts


@pytest.mark.parametrize("state", ["queued", "processing"])
def test_it_cancels_what_waits_or_is_in_work(alice, state):
    video = getattr(builders, state)()

    answer = alice.post(f"/videos/{video.pk}/cancel")

    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["error"]["code"]) == ("failed", "cancelled")


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_it_refuses_to_cancel_what_has_ended(alice, state):
    answer = alice.post(f"/videos/{getattr(builders, state)().pk}/cancel")

    assert (answer.status_code, answer.json()["state"]) == (409, state)


def test_it_retries_what_was_cancelled(alice, sqs):
    video = builders.processing()
    alice.post(f"/videos/{video.pk}/cancel")

    assert alice.post(f"/videos/{video.pk}/retry").status_code == 202


def test_the_files_of_what_was_cancelled_in_the_middle_are_to_go(alice):
    video = builders.processing()

    alice.post(f"/videos/{video.pk}/cancel")

    assert Deletion.objects.get().prefix == video.attempt_prefix


def test_it_tells_what_became_of_each_attempt_newest_first(alice):
    video = builders.processing()
    video.advance(Video.Stage.CAPTIONS, 5)
    video.release("source_refused", "YouTube is refusing requests.", delay=-1)
    Video.objects.claim(video.pk)

    running, first = alice.get(f"/videos/{video.pk}/attempts").json()["results"]

    assert (first["number"], first["outcome"], first["stage"]) == (1, "released", "captions")
    assert first["error"] == {"code": "source_refused", "detail": "YouTube is refusing requests."}
    assert (running["number"], running["outcome"], running["ended_at"], running["error"]) == (2, "running", None, None)


@pytest.mark.parametrize("action", ["cancel", "attempts"])
def test_it_knows_nobody_elses_video(bob, action):
    video = builders.processing()
    call = bob.post if action == "cancel" else bob.get

    assert call(f"/videos/{video.pk}/{action}").status_code == 404
    video.refresh_from_db()
    assert video.status == "processing"


# --- audio


def test_it_hands_out_the_audio_at_a_signed_address(alice, stranger):
    path = default_storage.save("videos/a/1/audio.webm", ContentFile(b"sound"))
    video = builders.completed(s3_path=path)

    answer = alice.get(f"/videos/{video.pk}/audio")

    assert answer.status_code == 302
    assert b"".join(stranger.get(answer["Location"])) == b"sound"


def test_it_refuses_a_signed_address_that_has_expired(alice, stranger, settings):
    path = default_storage.save("videos/a/1/audio.webm", ContentFile(b"sound"))
    answer = alice.get(f"/videos/{builders.completed(s3_path=path).pk}/audio")
    settings.FILES_SIGNING_SECONDS = -1

    assert stranger.get(answer["Location"]).status_code == 404


def test_it_refuses_an_address_that_we_have_not_signed(stranger):
    assert stranger.get("/files/L2V0Yy9wYXNzd2Q:1:x").status_code == 404


def test_it_answers_404_where_no_audio_is_stored(alice):
    answer = alice.get(f"/videos/{builders.completed().pk}/audio")

    assert answer.status_code == 404
    assert "captions" in answer.json()["detail"]


def test_what_is_answered_is_what_the_document_describes(alice):
    assert list(shown(builders.queued())) == list(VideoSerializer().fields)


# --- who has it already


def test_who_has_it_as_it_is_is_not_sent_it_again(alice):
    address = f"/videos/{builders.completed().pk}"
    etag = alice.get(address)["ETag"]

    answer = alice.get(address, HTTP_IF_NONE_MATCH=etag)

    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)


def test_what_has_changed_is_sent_again(alice):
    video = builders.queued()
    etag = alice.get(f"/videos/{video.pk}")["ETag"]
    video.cancel()

    answer = alice.get(f"/videos/{video.pk}", HTTP_IF_NONE_MATCH=etag)

    assert (answer.status_code, answer.json()["status"]) == (200, "failed")


def test_a_list_that_is_known_is_not_sent_again(alice):
    builders.completed()
    etag = alice.get("/videos")["ETag"]

    assert alice.get("/videos", HTTP_IF_NONE_MATCH=etag).status_code == 304


def test_another_users_tag_is_worth_nothing(alice, bob):
    address = f"/videos/{builders.completed().pk}"
    etag = alice.get(address)["ETag"]

    assert bob.get(address, HTTP_IF_NONE_MATCH=etag).status_code == 404


def test_who_asks_again_for_what_is_in_work_hears_when_to_ask_next(alice):
    address = f"/videos/{builders.queued().pk}"
    etag = alice.get(address)["ETag"]

    answer = alice.get(address, HTTP_IF_NONE_MATCH=etag)

    assert (answer.status_code, answer["Retry-After"]) == (304, "2")


def test_a_condition_that_what_is_read_does_not_meet_is_a_problem(alice):
    answer = alice.get(f"/videos/{builders.queued().pk}", HTTP_IF_MATCH='"another"')

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")


@pytest.mark.parametrize("address", ["/videos/nonsense", "/videos?page_size=0"])
def test_an_error_has_no_tag(alice, address):
    assert "ETag" not in alice.get(address)


def test_an_answer_says_how_long_it_is(alice):
    answer = alice.get("/videos")

    assert answer["Content-Length"] == str(len(answer.content))


def test_mysql_is_told_indexes_that_there_are():
    assert set(own_videos._INDEXES.values()) <= {index.name for index in Video._meta.indexes}
