"""Reading transcripts: as JSON and as files, one and many."""

import json
import uuid

import pytest
from django.core.files.storage import default_storage

from tests import builders
from tests.tokens import BOB
from transcripts import stored
from transcripts.models import Transcript
from transcripts.segments import Segment
from videos.deadline import Deadline

pytestmark = pytest.mark.django_db(transaction=True)

TXT = "Hello <world> & all\n日本語 🙂\n"
SRT = "1\n00:00:00,000 --> 00:00:01,500\nHello <world> & all\n\n2\n00:00:01,500 --> 01:02:03,004\n日本語 🙂\n"
VTT = (
    "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello &lt;world&gt; &amp; all\n\n"
    "00:00:01.500 --> 01:02:03.004\n日本語 🙂\n"
)


@pytest.fixture
def video(db):
    return builders.completed(youtube_id="dQw4w9WgXcQ")


def both_ways(client, video, query="", **headers):
    """The transcript below its video and by its own id."""
    for address in (f"/videos/{video.pk}/transcript", f"/transcripts/{video.transcript.pk}"):
        yield client.get(address + query, **headers)


def test_it_reads_a_transcript_as_json(alice, video):
    for answer in both_ways(alice, video):
        transcript = answer.json()
        assert transcript.pop("created_at").endswith("Z")
        assert transcript == {
            "id": str(video.transcript.pk),
            "video_id": str(video.pk),
            "language": "en",
            "source": "captions",
            "engine": "youtube",
            "model": "human",
            "content": "Hello <world> & all\n日本語 🙂",
            "segments": [
                {"start_ms": 0, "end_ms": 1500, "text": "Hello <world> & all"},
                {"start_ms": 1500, "end_ms": 3_723_004, "text": "日本語 🙂"},
            ],
        }


@pytest.mark.parametrize(
    ("format", "accept", "media_type", "text"),
    [
        ("txt", "text/plain", "text/plain", TXT),
        ("srt", "application/x-subrip", "application/x-subrip", SRT),
        ("vtt", "text/vtt", "text/vtt", VTT),
    ],
)
def test_it_exports_by_parameter_and_by_accept(alice, video, format, accept, media_type, text):
    for answer in [*both_ways(alice, video, f"?format={format}"), *both_ways(alice, video, HTTP_ACCEPT=accept)]:
        assert answer.content.decode() == text
        assert answer["Content-Type"] == f"{media_type}; charset=utf-8"
        assert answer["Content-Disposition"] == f'attachment; filename="dQw4w9WgXcQ.en.{format}"'


def test_it_lets_the_parameter_win_over_accept(alice, video):
    for answer in both_ways(alice, video, "?format=json", HTTP_ACCEPT="text/vtt"):
        assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("query", ["?format=docx", "?fromat=txt"])
def test_it_refuses_an_unknown_format_and_says_which_there_are(alice, video, query):
    for answer in both_ways(alice, video, query):
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["errors"][0]["parameter"] in query


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/vtt;q=0.9, application/json;q=0.1", "text/vtt"),
        ("text/vtt;q=0.1, application/json;q=0.9", "application/json"),
        ("application/json;q=0, text/vtt;q=0.5", "text/vtt"),
        ("application/json;q=0, */*", "text/plain"),
        ("text/plain, application/x-subrip", "text/plain"),
        ("application/x-subrip, text/plain", "application/x-subrip"),
        ("application/pdf, text/vtt;q=0.2", "text/vtt"),
        ("text/html, */*;q=0.8", "application/json"),
        ("text/*;q=0.5, application/x-subrip;q=0.4", "text/plain"),
        ("", "application/json"),
        (" ", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/plain"),
        ("TEXT/VTT", "text/vtt"),
    ],
)
def test_it_takes_the_format_that_accept_likes_best(alice, video, accept, media_type):
    for answer in both_ways(alice, video, HTTP_ACCEPT=accept):
        assert answer.status_code == 200
        assert answer["Content-Type"].partition(";")[0] == media_type


def test_it_answers_json_where_nothing_is_asked_for(alice, video):
    for answer in both_ways(alice, video):
        assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("accept", ["application/pdf", "garbage", "/", ";;q=;", "application/json;q=0", "é", "," * 500])
def test_it_refuses_what_accept_asks_for_in_vain_and_says_what_there_is(alice, video, accept):
    for answer in both_ways(alice, video, HTTP_ACCEPT=accept):
        assert answer.status_code == 406
        assert answer["Content-Type"] == "application/problem+json"
        for media_type in ("application/json", "text/plain", "application/x-subrip", "text/vtt"):
            assert media_type in answer.json()["detail"]


@pytest.mark.parametrize("asked", [{"query": "?format=docx"}, {"HTTP_ACCEPT": "application/pdf"}], ids=str)
def test_it_asks_a_stranger_for_a_token_whatever_the_format(stranger, video, asked):
    for answer in both_ways(stranger, video, **asked):
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("state", "hint"), [("queued", "completed"), ("processing", "completed"), ("failed", "This video is private.")]
)
def test_it_says_where_a_video_stands_that_has_no_transcript(alice, state, hint):
    answer = alice.get(f"/videos/{getattr(builders, state)().pk}/transcript?format=srt")

    assert answer.status_code == 404
    assert (answer.json()["code"], answer.json()["state"]) == ("no_transcript", state)
    assert hint in answer.json()["detail"]


def test_it_lists_transcripts_without_their_text(alice, video):
    page = alice.get("/transcripts").json()

    assert (page["next"], page["previous"]) == (None, None)
    assert page["results"][0].keys() == {"id", "video_id", "language", "source", "engine", "model", "created_at"}


def test_it_pages_through_transcripts_newest_first(alice):
    made = [str(builders.completed().pk) for _ in range(3)]

    first = alice.get("/transcripts?page_size=2").json()
    second = alice.get(first["next"]).json()

    assert [transcript["video_id"] for transcript in first["results"] + second["results"]] == made[::-1]


def test_it_shows_nobody_the_transcripts_of_another(bob, charlie, video):
    builders.queued(BOB)

    for client in (bob, charlie):
        assert [answer.status_code for answer in both_ways(client, video)] == [404, 404]
        assert client.get("/transcripts").json()["results"] == []


@pytest.mark.parametrize("bad", ["1", str(uuid.uuid4())])
def test_it_answers_404_for_an_id_that_names_nothing(alice, bad):
    assert alice.get(f"/transcripts/{bad}").status_code == 404


def test_it_refuses_an_unknown_parameter_of_the_list(alice):
    answer = alice.get("/transcripts?q=bees")

    assert answer.json()["errors"][0]["parameter"] == "q"


@pytest.fixture
def large(settings):
    """A transcript whose answer is larger than allowed, in any format."""
    video = builders.completed(segments=[Segment(n, n + 1, f"word {n}") for n in range(1000)], s3_path="a.opus")
    path = f"{video.files_prefix}1/transcript.json"
    Transcript.objects.filter(video=video).update(s3_path=path)
    settings.MAX_ANSWER_BYTES = 9_000
    video.refresh_from_db()
    return video


@pytest.mark.parametrize("name", ["json", "txt", "srt", "vtt"])
def test_one_that_is_too_large_for_an_answer_lies_elsewhere_for_a_while(alice, client, settings, large, name):
    for answer in both_ways(alice, large, f"?format={name}"):
        assert answer.status_code == 302
        fetched = b"".join(client.get(answer["Location"]).streaming_content)
        settings.MAX_ANSWER_BYTES *= 1000
        assert fetched == alice.get(f"/videos/{large.pk}/transcript?format={name}").content
        settings.MAX_ANSWER_BYTES //= 1000


def test_what_lies_elsewhere_is_kept_as_long_as_its_transcript(alice, settings, large):
    assert alice.get(f"/videos/{large.pk}/transcript?format=srt").status_code == 302
    path = f"{large.files_prefix}1/answers/{settings.VERSION}/{large.youtube_id}.en.srt"

    stored.reconcile(Deadline())
    assert default_storage.exists(path)

    Transcript.objects.update(s3_path=f"{large.files_prefix}2/transcript.json")
    stored.reconcile(Deadline())
    assert not default_storage.exists(path)


def test_it_goes_by_what_lambda_would_have_to_carry(alice, settings, large):
    """Quotes and line ends take twice the room in JSON."""
    plain = len(alice.get(f"/videos/{large.pk}/transcript?format=txt", follow=False).content or b"")
    settings.MAX_ANSWER_BYTES = 10**9
    body = alice.get(f"/videos/{large.pk}/transcript?format=txt").content
    settings.MAX_ANSWER_BYTES = len(body) + 999

    assert plain == 0
    assert alice.get(f"/videos/{large.pk}/transcript?format=txt").status_code == 302
    settings.MAX_ANSWER_BYTES = len(body) + 1002
    assert alice.get(f"/videos/{large.pk}/transcript?format=txt").status_code == 200


@pytest.mark.parametrize("word", ["字", '"', "語" * 9])
def test_short_segments_weigh_more_than_their_words(alice, settings, word):
    """As captions of some languages are: times and names outweigh the text."""
    video = builders.completed(segments=[Segment(n, n + 1, word) for n in range(36_000_000, 36_001_000)])
    Transcript.objects.filter(video=video).update(s3_path=f"{video.files_prefix}1/transcript.json")
    settings.MAX_ANSWER_BYTES = 10**9
    weight = len(json.dumps(alice.get(f"/videos/{video.pk}/transcript").content.decode(), ensure_ascii=False).encode())

    settings.MAX_ANSWER_BYTES = weight - 1
    assert alice.get(f"/videos/{video.pk}/transcript").status_code == 302
