"""Who is calling, over HTTP: what the header may hold, and what the answers tell."""

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests import tokens
from tests.tokens import ALICE

pytestmark = pytest.mark.django_db

BARE = 'Bearer realm="shri"'
INVALID = 'Bearer realm="shri", error="invalid_token"'


def me(authorization=None):
    return APIClient().get("/me", **({} if authorization is None else {"HTTP_AUTHORIZATION": authorization}))


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", ""])
@pytest.mark.parametrize("make", [tokens.id_token, tokens.access_token])
def test_it_accepts_both_kinds_of_token_with_bearer_or_bare(scheme, make):
    assert me(scheme + make(ALICE)).status_code == 200


def test_it_tells_who_the_token_says_you_are():
    told = me("Bearer " + tokens.id_token(ALICE, email="alice@example.com")).json()

    del told["quota"]
    assert told == {"id": ALICE, "email": "alice@example.com", "token_use": "id"}


def test_it_makes_the_users_row_at_the_first_call_and_only_then():
    for _ in range(2):
        me("Bearer " + tokens.id_token(ALICE, email="alice@example.com"))

    user = User.objects.get()
    assert (user.id, user.email, user.is_staff) == (ALICE, "alice@example.com", False)
    assert not user.has_usable_password()


def test_it_learns_a_new_address_and_keeps_it_when_an_access_token_has_none():
    for token in (
        tokens.access_token(ALICE),
        tokens.id_token(ALICE, email="old@example.com"),
        tokens.id_token(ALICE, email="new@example.com"),
        tokens.access_token(ALICE),
    ):
        me(token)

    assert User.objects.get().email == "new@example.com"


def test_it_takes_subs_that_differ_by_case_alone_for_two_users():
    me(tokens.access_token(ALICE))
    me(tokens.access_token(ALICE.upper()))

    assert User.objects.count() == 2


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, BARE),
        ("", BARE),
        ("Basic YWxpY2U6c2VjcmV0", BARE),
        ("Bearer", INVALID),
        ("Bearer nonsense", INVALID),
        ("Bearer a.b.c", INVALID),
        ("nonsense", BARE),
        ("a.b.c", INVALID),
    ],
)
def test_it_refuses_who_has_no_token_or_a_bad_one(authorization, challenge):
    answer = me(authorization)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, challenge)


BAD_TOKENS = {
    "expired": lambda: tokens.id_token(exp=1),
    "of another pool": lambda: tokens.id_token(iss="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other"),
    "of another client": lambda: tokens.id_token(aud="other"),
    "access token with our client in aud only": lambda: tokens.access_token(client_id="other", aud=tokens.CLIENT_ID),
    "signed by another key": lambda: tokens.id_token(key="other"),
    "of another use": lambda: tokens.id_token(token_use="refresh"),
    "without sub": lambda: tokens.id_token(sub=tokens.ABSENT),
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_it_refuses_a_token_that_is_not_good_and_never_says_why(make):
    answer = me("Bearer " + make())

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, INVALID)
    assert answer.content == me().content
    assert not User.objects.exists()


def test_it_refuses_kinds_of_token_that_are_switched_off(settings):
    settings.COGNITO_TOKEN_USE = ["access"]

    assert me(tokens.id_token()).status_code == 401
    assert me(tokens.access_token()).status_code == 200


def test_it_refuses_a_user_who_is_switched_off():
    me(tokens.access_token(ALICE))
    User.objects.update(is_active=False)

    answer = me(tokens.access_token(ALICE))

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, INVALID)


@pytest.mark.parametrize(
    "broken",
    [{"COGNITO_USER_POOL_ID": ""}, {"COGNITO_CLIENT_IDS": []}, {"COGNITO_JWKS": "{}"}, {"COGNITO_JWKS": "/no/file"}],
    ids=str,
)
def test_it_says_503_and_not_401_when_there_is_no_key_to_check_with(settings, broken):
    for name, value in broken.items():
        setattr(settings, name, value)

    answer = me(tokens.access_token())

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "WWW-Authenticate" not in answer
    assert answer.json()["code"] == "authentication_unavailable"
