"""Text, numbers and language codes that strangers wrote."""

import pytest

from transcripts.worker.foreign import language_tag, milliseconds, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  two \r\n words\t", "two words"),
        ("a\x00b\x1b[31mc\x7f", "a b [31mc"),
        ("\ud800lone", "lone"),
        ("evil\u202egnp.exe", "evil gnp.exe"),
        ("👩\u200d🚀 日本語 e\u0301", "👩\u200d🚀 日本語 e\u0301"),
        (None, ""),
        (5, ""),
    ],
)
def test_it_makes_one_storable_line(text: object, line: str) -> None:
    assert one_line(text, 100) == line


def test_it_says_that_it_cut_a_line() -> None:
    assert one_line("word " * 1000, 12) == "word word w…"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1.5, 1500),
        (0, 0),
        (-1, None),
        (float("inf"), None),
        (float("nan"), None),
        (10**400, None),
        (True, None),
        ("5", None),
    ],
)
def test_it_takes_only_a_time_for_a_time(seconds: object, expected: int | None) -> None:
    assert milliseconds(seconds, 1000) == expected


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("en", "en"),
        ("PT_br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("iw", "he"),
        ("yue", "yue"),
        ("", None),
        ("x" * 9, None),
        ("abcdefgh-abcdefgh-abcdefgh-abcdefgh", "abcdefgh-abcdefgh-abcdefgh-abcdefgh"),  # the column has 35 characters
        ("abcdefgh-abcdefgh-abcdefgh-abcdefg-a", None),
        ("en\n", "en"),
        ("en; DROP", None),
        (None, None),
    ],
)
def test_it_spells_languages_as_bcp_47(code: object, tag: str | None) -> None:
    assert language_tag(code) == tag
