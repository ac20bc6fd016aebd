"""The text of an API key: how it looks, and which texts are none."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts import api_key_text
from accounts.api_key_text import InvalidKey
from tests import tokens

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ZEROS = "shri_" + "0" * 43 + "1cWNwv"  # CRC-32 of what stands before (gzip says 1485352161), in base 62


def refusal_of(text: str) -> str:
    with pytest.raises(InvalidKey) as refusal:
        api_key_text.check(text)
    return refusal.value.code


def test_a_key_looks_as_scanners_are_told() -> None:
    assert re.fullmatch(r"shri_[0-9A-Za-z]{49}", api_key_text.made())


def test_no_two_keys_are_the_same_and_all_are_ours() -> None:
    made = {api_key_text.made() for _ in range(1000)}

    assert len(made) == 1000
    for text in made:
        api_key_text.check(text)


def test_every_character_of_the_secret_is_drawn_from_all_62() -> None:
    made = [api_key_text.made()[5:48] for _ in range(3000)]

    assert [len(set(column)) for column in zip(*made, strict=True)] == [62] * 43


@settings(deadline=None)
@given(place=st.integers(0, 53), character=st.sampled_from(BASE62 + "_-. é\n"))
def test_one_wrong_character_is_always_noticed(place: int, character: str) -> None:
    text = api_key_text.made()
    wrong = text[:place] + character + text[place + 1 :]

    if wrong != text:
        assert refusal_of(wrong) in ("malformed", "checksum")


def test_two_characters_that_changed_places_are_noticed() -> None:
    text = next(text for text in iter(api_key_text.made, "") if text[20] != text[21])

    assert refusal_of(text[:20] + text[21] + text[20] + text[22:]) == "checksum"


@pytest.mark.parametrize("length", [0, 4, 5, 6, 53])
def test_a_key_that_was_cut_off_is_noticed(length: int) -> None:
    assert refusal_of(api_key_text.made()[:length]) == "malformed"


@pytest.mark.parametrize("more", ["0", "\n", " ", "A" * 100_000])
def test_a_key_with_more_behind_it_is_none(more: str) -> None:
    assert refusal_of(api_key_text.made() + more) == "malformed"


def test_keys_that_were_given_out_stay_good() -> None:
    api_key_text.check(ZEROS)

    # as sha256sum says
    assert api_key_text.digest(ZEROS) == "54d6b8501651791c33495dd5681c2ea94ff3a78bd7c7782e213a0cd36fc4e183"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "", "  ", "\tBearer "])
@pytest.mark.parametrize("text", [ZEROS, "shri_", "shri_é", "shri_a.b.c"])
def test_a_header_is_about_a_key_with_and_without_bearer(scheme: str, text: str) -> None:
    assert api_key_text.sent(f"{scheme}{text} ") == text


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer  " + ZEROS,
        "Bearer\t" + ZEROS,
        f"Bearer {ZEROS}, Bearer {ZEROS}",
        f"{ZEROS} x",
        f"Basic {ZEROS}",
        "SHRI_" + ZEROS[5:],
        "Bearer x" + ZEROS,
        tokens.id_token(),
        f"Bearer {tokens.access_token()}",
    ],
)
def test_a_header_is_about_no_key(header: str | None) -> None:
    assert api_key_text.sent(header) is None


@given(header=st.text(" \t\r\n", max_size=3), rest=st.text())
def test_no_jwt_begins_like_a_key(header: str, rest: str) -> None:
    """Its header is a JSON object, perhaps with white space before it."""
    assert not tokens.encoded(header + "{" + rest).startswith("s")
