"""What the ``Authorization`` header may look like, and where a pool's tokens come from."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.cognito import InvalidToken, bearer_token, issuer_of

# --- the header


@pytest.mark.parametrize(
    "header",
    ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", " Bearer a.b.c\t", "a.b.c", "  a.b.c "],
)
def test_it_takes_the_token_with_and_without_bearer(header: str) -> None:
    assert bearer_token(header) == "a.b.c"


def test_it_takes_nothing_but_white_space_from_its_ends() -> None:
    assert bearer_token(" X.b.X\t") == "X.b.X"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "  ",
        "\t",
        "Basic YTpi",
        "JWT a.b.c",
        "Token a.b.c",
        "Digest a=b, c=d",
        "Bearers a.b.c",
        "Negotiate",
        "a.b\tc",
    ],
)
def test_no_token_was_sent(header: str | None) -> None:
    assert bearer_token(header) is None


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer", "malformed_authorization"),
        ("Bearer ", "malformed_authorization"),
        ("Bearer  a.b.c", "malformed_authorization"),
        ("Bearer\ta.b.c", "malformed_authorization"),
        ("Bearer \ta.b.c", "malformed_authorization"),
        ("Bearer a.b.c d", "malformed_authorization"),
        ("Bearer a.b.c, Bearer a.b.c", "malformed_authorization"),
        ("Bearer a.b.c,a.b.c", "malformed_authorization"),
        ("Bearer Bearer a.b.c", "malformed_authorization"),
        ('Bearer "a.b.c"', "malformed_authorization"),
        ("Bearer a.b.\xe9", "malformed_authorization"),
        ("Bearer a.b.c\x00", "malformed_authorization"),
        ("Bearer a.b.c\n", "malformed_authorization"),
        ("Bearer\r\n a.b.c", "malformed_authorization"),
        ("Bearer\x0ba.b.c", "malformed_authorization"),
        ('Bearer {"payload": "x"}', "malformed_authorization"),
        ("Bearer " + "." * 8193, "too_large"),
        ("Bearer " + '"' * 1_000_000, "too_large"),
    ],
)
def test_a_token_was_meant_but_cannot_be_read(header: str, code: str) -> None:
    with pytest.raises(InvalidToken) as refusal:
        bearer_token(header)

    assert refusal.value.code == code


def test_it_leaves_the_judgement_of_8192_characters_to_the_verifier() -> None:
    assert bearer_token("Bearer " + "." * 8192) == "." * 8192


@settings(deadline=None)
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_header_is_a_token_or_none_or_refused(header: str) -> None:
    with contextlib.suppress(InvalidToken):
        token = bearer_token(header)
        assert token is None or token in header


# --- issuers


@pytest.mark.parametrize(
    ("user_pool_id", "issuer"),
    [
        ("us-east-1_AbCdEfGhI", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEfGhI"),
        ("us-gov-west-1_AbCdEfGhI", "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_AbCdEfGhI"),
        ("eusc-de-east-1_AbCdEfGhI", "https://cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_AbCdEfGhI"),
        ("ap-southeast-2_0", "https://cognito-idp.ap-southeast-2.amazonaws.com/ap-southeast-2_0"),
    ],
)
def test_the_issuer_is_the_address_of_the_pool(user_pool_id: str, issuer: str) -> None:
    assert issuer_of(user_pool_id) == issuer


@pytest.mark.parametrize(
    "user_pool_id",
    [
        "",
        "us-east-1",
        "us-east-1_",
        "_AbCdEfGhI",
        "us-east_AbCdEfGhI",
        "us-east-1_AbC/../x",
        "us-east-1_AbC\n",
        "evil.example/us-east-1_AbC",
        "US-EAST-1_AbC",
        "us-east-1_" + "a" * 56,
        "7h3cl13nt1d0000000000000aa",
    ],
)
def test_what_is_no_pool_has_no_issuer(user_pool_id: str) -> None:
    with pytest.raises(ValueError, match=r"' is not the id of a user pool, which is like us-east-1_AbCdEfGhI\.$"):
        issuer_of(user_pool_id)
