"""The longest transcript that the database takes, and the first that it would not."""

from collections.abc import Callable, Sequence

import pytest

from local.youtube import Track
from local.youtube import Video as Clip
from tests import builders
from transcripts.segments import Segment
from transcripts.worker import pipeline
from transcripts.worker.loop import Worker
from videos import sweeping
from videos.models import Video

pytestmark = pytest.mark.usefixtures("sqs", "_signals")

LINES = {
    "quotes": '"' * 998 + "\\'",
    "many short lines": 'Don\'t say "never" without a reason',
    "japanese": "「日本語の字幕」🙂" * 60,
}


def said(text: str, count: int) -> Sequence[Segment]:
    """As many captions, each with as many digits in its times."""
    return [Segment(at, at + 10, text) for at in range(1_000_000, 1_000_000 + 10 * count, 10)]


def most(text: str) -> int:
    """How many captions with this text are still accepted."""
    one, two = (pipeline._statement_bytes(said(text, count)) for count in (1, 2))
    return 1 + (pipeline.MAX_STATEMENT_BYTES - one) // (two - one)


@pytest.fixture
def transcribed(stand_in) -> Callable[[Sequence[Segment]], Video]:
    """What becomes of a video with these captions."""

    def transcribe(segments: Sequence[Segment]) -> Video:
        whole_seconds = segments[-1].end_ms // 1000 * 1000 + 1000
        clip = Clip("longestvid0", duration_ms=whole_seconds, tracks=[Track("ja", segments)])
        stand_in.videos["longestvid0"] = clip
        video = builders.queued(youtube_id="longestvid0")
        sweeping.sweep()
        Worker(poll_seconds=0).handle_one()
        video.refresh_from_db()
        return video

    return transcribe


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("text", LINES.values(), ids=LINES)
def test_it_stores_the_longest_transcript_that_it_accepts(transcribed, text):
    captions = said(text, most(text))

    video = transcribed(captions)

    assert (video.status, video.error_code) == ("completed", "")
    unchanged = video.transcript.segments == captions  # the difference would be megabytes
    assert unchanged


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("text", [LINES["quotes"], LINES["japanese"]], ids=["quotes", "japanese"])
def test_it_refuses_a_longer_one_at_the_first_attempt(transcribed, text):
    video = transcribed(said(text, most(text) + 1))

    assert (video.status, video.attempt, video.error_code) == ("failed", 1, "transcript_too_large")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("a", 1 + 1),  # once in the text, once in the JSON beside it
        ("é", 2 + 2),
        ("語", 3 + 3),
        ("🙂", 4 + 4),
        ("'", 2 + 2),  # MySQL quotes it
        ('"', 2 + 4),  # and JSON before MySQL
        ("\\", 2 + 4),
    ],
)
def test_it_counts_what_a_character_takes_in_the_statement(text, size):
    with_it, without = (pipeline._statement_bytes([Segment(0, 1, said)]) for said in (text, ""))

    assert with_it - without == size


@pytest.mark.django_db(transaction=True)
def test_it_keeps_the_times_of_a_caption_in_the_last_part_of_a_second(stand_in):
    last = Segment(10_200, 10_700, "Bye.")
    stand_in.videos["aboutten000"] = Clip("aboutten000", duration_ms=10_700, tracks=[Track("en", [last])])
    video = builders.queued(youtube_id="aboutten000")
    sweeping.sweep()

    Worker(poll_seconds=0).handle_one()

    video.refresh_from_db()
    assert video.duration_ms == 10_000  # as YouTube tells it, in whole seconds
    assert video.transcript.segments == [last]
