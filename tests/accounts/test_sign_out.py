"""Signing out: whose tokens are refused, from when on, and what a sign-in that goes on does not notice."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import sign_out
from accounts.models import ApiKey, EndedSignIn, User
from tests import builders, tokens
from tests.tokens import ALICE, BOB
from videos.deadline import Deadline

pytestmark = pytest.mark.django_db

INVALID = 'Bearer realm="shri", error="invalid_token"'
PHONE, LAPTOP = "5c1d8f0a-0000-4000-8000-00000000000a", "5c1d8f0a-0000-4000-8000-00000000000b"


def client(sub: str = ALICE, **claims) -> APIClient:
    caller = APIClient()
    caller.default_format = "json"
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.access_token(sub, **claims)}")
    return caller


def is_in(caller: APIClient) -> bool:
    answer = caller.get("/me")
    assert answer.status_code == 200 or answer["WWW-Authenticate"] == INVALID
    return answer.status_code == 200


def script(sub: str = ALICE) -> APIClient:
    """Calls with an API key of this user's."""
    _, text = ApiKey.objects.issue(
        builders.user(sub), name="nightly", scopes=["read"], expires_at=timezone.now() + timedelta(days=1)
    )
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return caller


@pytest.fixture
def phone() -> APIClient:
    return client(origin_jti=PHONE)


@pytest.fixture
def laptop() -> APIClient:
    return client(origin_jti=LAPTOP)


# --- by the user


@pytest.mark.parametrize("body", [None, {}, {"everywhere": False}])
def test_it_ends_this_sign_in_and_no_other(phone, laptop, body):
    assert phone.post("/me/sign-out", body).status_code == 204

    assert (is_in(phone), is_in(laptop)) == (False, True)


def test_it_ends_all_tokens_of_this_sign_in_also_refreshed_and_of_another_kind(phone):
    phone.post("/me/sign-out")
    refreshed = APIClient()
    refreshed.credentials(HTTP_AUTHORIZATION=tokens.id_token(ALICE, origin_jti=PHONE, jti="another"))

    assert not is_in(refreshed)


def test_it_ends_every_sign_in_until_now(phone, laptop):
    assert phone.post("/me/sign-out", {"everywhere": True}).status_code == 204

    assert (is_in(phone), is_in(laptop)) == (False, False)


def test_with_every_sign_in_go_the_keys_that_a_thief_could_have_made(phone):
    nightly, bobs = script(), script(BOB)
    assert is_in(nightly)

    phone.post("/me/sign-out", {"everywhere": True})

    assert (nightly.get("/me").status_code, is_in(bobs)) == (401, True)


def test_with_one_sign_in_no_key_goes(phone):
    nightly = script()

    phone.post("/me/sign-out")

    assert is_in(nightly)


def test_it_lets_the_same_user_sign_in_again(phone):
    phone.post("/me/sign-out", {"everywhere": True})
    soon = int(timezone.now().timestamp()) + 2

    assert is_in(client(auth_time=soon, iat=soon, exp=soon + 3600))


def test_a_refreshed_token_of_an_old_sign_in_stays_refused(phone):
    phone.post("/me/sign-out", {"everywhere": True})
    now, before = (int(timezone.now().timestamp()) + wait for wait in (2, -60))

    assert not is_in(client(auth_time=before, iat=now, exp=now + 3600))


def test_it_ends_also_a_sign_in_by_a_clock_that_is_ahead_of_ours():
    ahead = int(timezone.now().timestamp()) + 25
    caller = client(auth_time=ahead, iat=ahead, exp=ahead + 3600)

    caller.post("/me/sign-out", {"everywhere": True})

    assert not is_in(caller)


def test_it_touches_nobody_else(phone):
    phone.post("/me/sign-out")
    phone.post("/me/sign-out", {"everywhere": True})

    assert is_in(client(BOB, origin_jti=PHONE))


def test_it_cannot_end_one_sign_in_that_the_token_does_not_tell():
    caller = client(origin_jti=tokens.ABSENT)

    answer = caller.post("/me/sign-out")

    assert (answer.status_code, answer.json()["code"]) == (409, "no_sign_in")
    assert '{"everywhere": true}' in answer.json()["detail"]
    assert is_in(caller)


@pytest.mark.parametrize(
    ("body", "told"),
    [({"everyhere": True}, "#/everyhere"), ({"everywhere": "perhaps"}, "#/everywhere"), (["everywhere"], "#")],
)
def test_it_refuses_a_body_that_it_does_not_understand(phone, body, told):
    answer = phone.post("/me/sign-out", body)

    assert (answer.status_code, [place["pointer"] for place in answer.json()["errors"]]) == (400, [told])
    assert is_in(phone)


def test_it_wants_a_token(stranger):
    assert stranger.post("/me/sign-out").status_code == 401


# --- how it is looked up


@pytest.mark.parametrize(
    ("after", "auth_time", "signed_out"),
    [(1000.0, 999, True), (1000.0, 1000, False), (1000.5, 1000, True), (1000.5, 1001, False), (None, 0, False)],
)
def test_a_sign_in_counts_by_whole_seconds(after, auth_time, signed_out):
    moment = None if after is None else datetime.fromtimestamp(after, UTC)

    assert User(id=ALICE, tokens_valid_after=moment).is_signed_out(auth_time) is signed_out


def test_who_has_called_before_is_found_by_one_query(phone, django_assert_num_queries):
    is_in(phone)

    with django_assert_num_queries(2):  # the other one asks for the quota that /me tells
        assert is_in(phone)


def test_signing_out_everywhere_never_takes_back_a_later_one():
    user = builders.user()
    later = timezone.now() + timedelta(hours=1)
    User.objects.update(tokens_valid_after=later)

    assert sign_out.everywhere(user) == later


def test_a_token_without_a_sign_in_is_not_taken_for_one_that_has_ended(phone):
    phone.post("/me/sign-out")

    assert is_in(client(origin_jti=tokens.ABSENT))


def test_sign_ins_that_differ_by_case_alone_are_two(phone):
    phone.post("/me/sign-out")

    assert is_in(client(origin_jti=PHONE.upper()))


# --- what is forgotten


def test_an_ended_sign_in_outlives_every_token_that_its_refresh_token_can_get(settings):
    settings.COGNITO_REFRESH_TOKEN_DAYS = 30

    sign_out.one(builders.user(), PHONE)

    assert EndedSignIn.objects.get().forget_at - timezone.now() > timedelta(days=31)


def test_the_sweep_forgets_what_no_token_can_need(monkeypatch):
    monkeypatch.setattr(sign_out, "BATCH", 2)
    user = builders.user()
    for number in range(6):
        sign_out.one(user, f"{number}")
    EndedSignIn.objects.exclude(origin_jti="0").update(forget_at=timezone.now())

    assert sign_out.forget(Deadline().passed) == 5
    assert EndedSignIn.objects.get().origin_jti == "0"


def test_the_sweep_stops_when_its_time_is_up():
    sign_out.one(builders.user(), PHONE)
    EndedSignIn.objects.update(forget_at=timezone.now())

    assert sign_out.forget(lambda: True) == 0


# --- by an operator


def test_the_command_signs_a_user_out_everywhere(phone, laptop, capsys):
    is_in(phone)

    call_command("sign_out", ALICE)

    assert (is_in(phone), is_in(laptop)) == (False, False)
    assert f"{ALICE}: tokens of sign-ins before " in capsys.readouterr().out


def test_the_command_ends_one_sign_in_and_tells_when_it_was_ended_before(phone, laptop, capsys):
    is_in(phone)

    for _ in range(2):
        call_command("sign_out", ALICE, session=PHONE)

    assert (is_in(phone), is_in(laptop)) == (False, True)
    assert capsys.readouterr().out.splitlines() == [
        f"{ALICE}: tokens of the sign-in {PHONE} are refused.",
        f"{ALICE}: tokens of the sign-in {PHONE} were refused already.",
    ]


def test_the_command_deletes_the_keys_and_tells_how_many(capsys):
    nightly = script()

    call_command("sign_out", ALICE, "--json")

    assert nightly.get("/me").status_code == 401
    told = json.loads(capsys.readouterr().out)
    assert (told["user"], told["api_keys"], told["dry_run"]) == (ALICE, 1, False)
    assert datetime.fromisoformat(told["before"]) <= timezone.now()


@pytest.mark.parametrize("how", [(), ("--session", PHONE)], ids=["everywhere", "one"])
def test_the_command_changes_nothing_in_a_dry_run(phone, capsys, how):
    nightly = script()

    call_command("sign_out", ALICE, "--dry-run", *how)

    assert (is_in(phone), is_in(nightly)) == (True, True)
    assert "would be refused" in capsys.readouterr().out


def test_the_command_tells_that_there_is_no_such_user():
    with pytest.raises(CommandError, match="There is no user 'nobody'") as error:
        call_command("sign_out", "nobody")

    assert error.value.returncode == 3


@pytest.mark.parametrize("session", ["", "x" * 65, "é"])
def test_the_command_refuses_what_is_no_sign_in(session):
    with pytest.raises(CommandError, match="origin_jti"):
        call_command("sign_out", ALICE, "--session", session)


def test_staff_sign_users_out_in_the_admin_and_it_is_on_record(phone, admin_client, admin_user):
    is_in(phone)
    nightly = script()

    answer = admin_client.post(
        "/admin/accounts/user/", {"action": "sign_out_everywhere", "_selected_action": [ALICE]}, follow=True
    )

    assert (is_in(phone), nightly.get("/me").status_code) == (False, 401)
    assert "1 signed out" in answer.content.decode()
    assert "Signed out everywhere" in admin_client.get(f"/admin/accounts/user/{ALICE}/history/").content.decode()
