"""Which caption track is taken, and what its file says."""

import json

import pytest

from transcripts.segments import Segment
from transcripts.worker import errors
from transcripts.worker.captions import Track, parse, ranked, tracks


def track(language: str, *, automatic: bool = False, named: bool = False) -> Track:
    return Track(language, automatic, named, {})


def listed(url: str) -> list[dict[str, str]]:
    return [{"ext": "vtt", "url": url + "&fmt=vtt"}, {"ext": "json3", "url": url + "&fmt=json3"}]


def file(*events: object) -> bytes:
    return json.dumps({"wireMagic": "pb3", "events": events}).encode()


EN, DE, HEARD = track("en"), track("de"), track("en", automatic=True)


@pytest.mark.parametrize(
    ("there", "spoken", "wanted", "taken"),
    [
        ([DE, EN, HEARD], "en", None, [EN, HEARD]),
        ([DE, HEARD], "en", None, [HEARD]),
        ([DE, HEARD], "en", "de", [DE, HEARD]),
        ([DE, EN], "en", "fr", [EN]),
        ([DE, EN, HEARD], "en", "de", [DE, EN, HEARD]),
        ([DE], "en", "fr", []),
        ([DE, EN], None, "fr", []),
        ([DE], "en", None, []),
        ([DE, EN, HEARD], "en", "en", [EN, HEARD]),
        ([track("de", automatic=True), HEARD], "en", "de", [HEARD]),
        ([DE], None, None, [DE]),
        ([HEARD], None, None, [HEARD]),
        ([DE, EN], None, None, []),
        ([DE, EN], None, "de", [DE]),
        ([track("pt-PT"), track("pt-BR"), track("pt")], "en", "pt-BR", ["pt-BR", "pt", "pt-PT"]),
        ([track("pt-BR")], "pt", None, ["pt-BR"]),
        ([track("en", named=True), EN], "en-US", None, [EN, track("en", named=True)]),
        ([], "en", None, []),
    ],
)
def test_it_ranks_the_tracks(
    there: list[Track], spoken: str | None, wanted: str | None, taken: list[Track | str]
) -> None:
    expected = [track(t) if isinstance(t, str) else t for t in taken]
    assert ranked(there, spoken=spoken, wanted=wanted) == expected


def test_it_reads_the_language_from_the_address_of_a_track() -> None:
    subtitles = {"pt-br-nP7-2PuUl7o": listed("https://www.youtube.com/api/timedtext?v=x&lang=pt_br&name=Letra")}
    assert [t[:3] for t in tracks(subtitles, None)] == [("pt-BR", False, True)]


def test_it_lists_no_machine_translations_and_no_live_chat() -> None:
    url = "https://www.youtube.com/api/timedtext?v=x&lang=iw&kind=asr"
    automatic = {"iw-orig": listed(url), "iw": listed(url), "de": listed(url + "&tlang=de")}
    chat = {"live_chat": [{"ext": "json", "url": "https://www.youtube.com/watch?v=x"}]}
    assert [t[:3] for t in tracks(chat, automatic)] == [("he", True, False)]


def test_it_joins_the_words_of_an_event() -> None:
    event = {"tStartMs": 80, "dDurationMs": 20, "segs": [{"utf8": "a"}, {"utf8": " b", "tOffsetMs": 5}]}
    assert parse(file(event)) == [Segment(80, 100, "a b")]


@pytest.mark.parametrize(
    "event",
    [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
        {"tStartMs": 0, "dDurationMs": 9, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 0, "dDurationMs": 9, "segs": [{"utf8": " \n"}]},
        {"tStartMs": 0, "segs": []},
        {"tStartMs": "soon", "segs": [{"utf8": "a"}]},
        {"tStartMs": -1, "segs": [{"utf8": "a"}]},
        {"tStartMs": float("inf"), "segs": [{"utf8": "a"}]},
        {"tStartMs": 0, "segs": [{"utf8": None}, {"utf8": 5}, "a", None]},
        {"tStartMs": 0, "segs": {"utf8": "a"}},
        "an event",
        None,
    ],
)
def test_it_leaves_out_what_is_no_speech(event: object) -> None:
    assert parse(file(event)) == []


@pytest.mark.parametrize("duration", [None, -5, float("nan"), "long", 10**30])
def test_it_keeps_the_words_where_their_length_is_none(duration: object) -> None:
    assert parse(file({"tStartMs": 5, "dDurationMs": duration, "segs": [{"utf8": "a"}]})) == [Segment(5, 5, "a")]


def test_it_reads_a_file_without_events_as_no_words() -> None:
    assert parse(b'{"wireMagic": "pb3"}') == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"5", b'{"a": ', b"\xff\xfe", b"[" * 100_000])
def test_it_does_not_take_anything_else_for_captions(body: bytes) -> None:
    with pytest.raises(errors.SourceUnreadable):
        parse(body)
