"""Segments as they are stored, and as files."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcripts import formats
from transcripts.segments import Segment, plain_text, tidy


def test_it_puts_segments_in_order():
    assert tidy([Segment(5, 6, "b"), Segment(1, 2, "a")]) == [Segment(1, 2, "a"), Segment(5, 6, "b")]


def test_it_ends_a_segment_where_the_next_begins():
    assert tidy([Segment(0, 5000, "a"), Segment(2000, 6000, "b")]) == [Segment(0, 2000, "a"), Segment(2000, 6000, "b")]


def test_it_lets_two_voices_begin_together():
    both = [Segment(0, 1000, "a"), Segment(0, 2000, "b")]

    assert tidy(both) == both


def test_it_ends_those_that_begin_together_where_the_next_one_begins():
    together = [Segment(0, 5000, "a"), Segment(0, 6000, "b"), Segment(0, 1000, "c")]

    assert tidy([*together, Segment(2000, 3000, "d")]) == [
        Segment(0, 2000, "a"),
        Segment(0, 2000, "b"),
        Segment(0, 1000, "c"),
        Segment(2000, 3000, "d"),
    ]


@pytest.mark.parametrize("apart_ms", [0, 1], ids=["all at once", "one after another"])
def test_ten_times_as_many_take_about_ten_times_as_long(apart_ms):
    def seconds(count: int) -> float:
        segments = [Segment(n * apart_ms, n * apart_ms + 5000, "word") for n in range(count)]
        began = time.process_time()
        tidy(segments, 1_000_000)
        return time.process_time() - began

    few = max(seconds(10_000) for _ in range(3))

    assert seconds(100_000) < 40 * few


def test_it_ends_every_segment_within_the_video():
    assert tidy([Segment(0, 1000, "a"), Segment(38_000, 39_000, "b")], 24_730) == [
        Segment(0, 1000, "a"),
        Segment(24_730, 24_730, "b"),
    ]


@pytest.mark.parametrize("duration_ms", [None, 0, -1])
def test_it_cuts_nothing_where_the_duration_is_not_known(duration_ms):
    assert tidy([Segment(0, 1000, "a")], duration_ms) == [Segment(0, 1000, "a")]


@pytest.mark.parametrize("nothing", ["", "  ", "\n", "\x00", "\ud800"])
def test_it_drops_segments_without_text(nothing):
    assert tidy([Segment(0, 1, nothing)]) == []


def test_it_keeps_every_script_and_drops_what_cannot_be_stored():
    assert tidy([Segment(0, 1, " a\x00b\r\nc\x1b[31m\u0085\x9f日本\ud800語 🙂 ")])[0].text == "a b c [31m 日本語 🙂"


@given(
    st.lists(st.tuples(st.integers(-5, 10_000), st.integers(-5, 10_000), st.text())),
    st.one_of(st.none(), st.integers(0, 9_000)),
)
def test_whatever_comes_in_it_is_ordered_bounded_and_stable(rows, duration_ms):
    said = tidy([Segment(*row) for row in rows], duration_ms)

    assert all(0 <= s.start_ms <= s.end_ms and s.text == s.text.strip() != "" for s in said)
    assert [s.start_ms for s in said] == sorted(s.start_ms for s in said)
    assert tidy(said, duration_ms) == said
    assert len(plain_text(said).splitlines()) == len(said)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_no_text_can_forge_a_cue_of_webvtt(texts):
    said = tidy([Segment(n * 10, n * 10 + 5, text) for n, text in enumerate(texts)])

    assert formats.vtt(said).count("-->") == len(said)


def test_an_empty_transcript_is_a_valid_file():
    assert (formats.txt([]), formats.srt([]), formats.vtt([])) == ("\n", "", "WEBVTT\n")
