"""Reading transcripts: as JSON and as files, one and many."""

import uuid

import pytest

from tests import builders
from tests.tokens import BOB

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


def test_it_refuses_an_unknown_media_type_and_says_which_there_are(alice, video):
    for answer in both_ways(alice, video, HTTP_ACCEPT="application/pdf"):
        assert answer.status_code == 406
        assert "text/vtt" in answer.json()["detail"]


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
