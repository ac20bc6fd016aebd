"""Who is let into the admin."""

import logging
import re
import time
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from tests.tokens import ALICE, access_token, id_token
from ytbackend import groups

pytestmark = pytest.mark.django_db

DOOR, BACK = "/admin/login/", "/admin/signed-in"
DOMAIN = "https://auth.example.com"
STAFF: dict[str, Any] = {"cognito:groups": ["staff"]}


@pytest.fixture(autouse=True)
def _cognito_is_switched_on(settings) -> None:
    settings.COGNITO_DOMAIN = DOMAIN
    groups.bring_up_to_date()


@pytest.fixture
def browser() -> Client:
    return Client()


def nonce_of(browser: Client) -> str:
    """Opens the door, and reads what the page gives along to Cognito."""
    return re.search(r'"nonce": "([^"]+)"', browser.get(DOOR).content.decode())[1]


def token(nonce: str, *names: str, **claims: Any) -> str:
    """As Cognito makes it for this sign-in; without a nonce it is one that the front end has."""
    said: dict[str, Any] = {"nonce": nonce, "cognito:groups": list(names), "iat": int(time.time()) - 5}
    return id_token(ALICE, **said | claims)


def hand_in(browser: Client, id_token: str, **form):
    return browser.post(BACK, {"id_token": id_token, **form})


def roles() -> set[str]:
    return set(User.objects.get(pk=ALICE).groups.values_list("name", flat=True))


def test_a_member_of_staff_is_let_in_and_may_see(browser):
    answer = hand_in(browser, token(nonce_of(browser), "staff"), next="/admin/videos/video/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/videos/video/")
    assert roles() == {groups.VIEWERS}
    assert browser.get("/admin/videos/video/").status_code == 200


def test_a_staff_operator_may_also_mend(browser):
    hand_in(browser, token(nonce_of(browser), "staff-operators"))

    assert roles() == {groups.VIEWERS, groups.OPERATORS}
    assert User.objects.get(pk=ALICE).has_perm("videos.change_video")


def test_a_caller_in_no_group_is_not_let_in(browser):
    answer = hand_in(browser, token(nonce_of(browser), "customers"))

    assert answer.status_code == 403
    assert "not a member of the group staff" in answer.content.decode()
    assert browser.get("/admin/").status_code == 302


def test_who_has_left_a_group_loses_its_role_with_the_next_sign_in(browser):
    hand_in(browser, token(nonce_of(browser), "staff", "staff-operators"))
    mine = Group.objects.create(name="made by hand")
    User.objects.get(pk=ALICE).groups.add(mine)

    other = Client()
    hand_in(other, token(nonce_of(other), "staff"))

    assert roles() == {groups.VIEWERS, "made by hand"}


def test_who_has_left_the_staff_is_none_any_more(browser):
    hand_in(browser, token(nonce_of(browser), "staff"))

    other = Client()
    hand_in(other, token(nonce_of(other)))

    assert not User.objects.get(pk=ALICE).is_staff
    assert browser.get("/admin/").status_code == 302


def test_who_is_switched_off_is_not_let_in(browser):
    User.objects.create(id=ALICE, is_active=False)

    assert hand_in(browser, token(nonce_of(browser), "staff")).status_code == 403


@pytest.mark.parametrize(
    "forged",
    [
        lambda nonce: token("another sign-in's", "staff"),
        lambda nonce: token("", "staff"),
        lambda nonce: token(nonce, "staff", aud="another-client"),
        lambda nonce: token(nonce, "staff", exp=int(time.time()) - 3600, iat=int(time.time()) - 7200),
        lambda nonce: token(nonce, "staff", iat=int(time.time()) - 1200),
        lambda nonce: token(nonce, "staff", key="stranger"),
        lambda nonce: access_token(ALICE, **STAFF | {"nonce": nonce}),
        lambda nonce: token(nonce, "staff")[:-4] + "AAAA",
        lambda nonce: "",
        lambda nonce: "nonsense",
    ],
    ids=["nonce", "no-nonce", "client", "expired", "old", "key", "access", "signature", "empty", "nonsense"],
)
def test_a_token_that_does_not_prove_this_sign_in_lets_nobody_in(browser, forged, caplog):
    answer = hand_in(browser, forged(nonce_of(browser)))

    assert answer.status_code == 403
    assert "_auth_user_id" not in browser.session
    assert "a sign-in to the admin was refused" in caplog.text


def test_a_good_token_in_another_browser_lets_nobody_in(browser):
    nonce = nonce_of(browser)

    assert hand_in(Client(), token(nonce, "staff")).status_code == 403


def test_only_the_first_app_client_signs_staff_in(browser, settings):
    settings.COGNITO_CLIENT_IDS = ["staff-client", *settings.COGNITO_CLIENT_IDS]

    assert hand_in(browser, token(nonce_of(browser), "staff")).status_code == 403


def test_another_site_cannot_hand_in_a_token(browser):
    strict = Client(enforce_csrf_checks=True)

    assert hand_in(strict, token(nonce_of(strict), "staff")).status_code == 403
    assert not User.objects.exists()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_it_leads_nowhere_else(browser, elsewhere):
    answer = hand_in(browser, token(nonce_of(browser), "staff"), next=elsewhere)

    assert answer["Location"] == "/admin/"


def test_the_door_gives_along_what_cognito_must_know(browser):
    shown = browser.get(DOOR, {"next": "/admin/videos/video/"}).content.decode()

    assert f'"domain": "{DOMAIN}"' in shown
    assert '"redirect": "http://testserver/admin/signed-in"' in shown
    assert '"next": "/admin/videos/video/"' in shown
    assert 'name="password"' not in shown


def test_the_nonce_is_kept_from_scripts_and_for_minutes(browser):
    browser.get(DOOR)
    cookie = browser.cookies["staff_nonce"]

    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (True, "Lax", "/admin/", 600)


def test_only_the_page_that_one_comes_back_to_may_talk_to_cognito(browser):
    assert f"connect-src 'self' {DOMAIN};" in browser.get(BACK)["Content-Security-Policy"]
    assert "connect-src 'self';" in browser.get(DOOR)["Content-Security-Policy"]


def test_a_session_lasts_a_shift_and_ends_with_the_browser(browser):
    hand_in(browser, token(nonce_of(browser), "staff"))

    assert browser.session.get_expire_at_browser_close()
    assert browser.session.get_expiry_age() == 8 * 3600
    assert browser.cookies["staff_session"]["expires"] == ""


def test_signing_out_ends_both_sessions(browser):
    hand_in(browser, token(nonce_of(browser), "staff"))

    shown = browser.post("/admin/logout/").content.decode()

    assert f'href="{DOMAIN}/logout?client_id=' in shown
    assert "logout_uri=http%3A%2F%2Ftestserver%2Fadmin%2Flogin%2F" in shown
    assert browser.get("/admin/").status_code == 302


def test_without_keys_nobody_can_tell(browser, settings):
    settings.COGNITO_JWKS = "{}"

    assert hand_in(browser, token(nonce_of(browser), "staff")).status_code == 503


def test_without_a_domain_there_is_no_way_in_by_cognito(browser, settings):
    settings.COGNITO_DOMAIN = ""

    shown = browser.get(DOOR).content.decode()

    assert "Nobody can sign in here yet." in shown
    assert browser.get(BACK).status_code == hand_in(browser, token("", "staff")).status_code == 404


# --- Local accounts


@pytest.fixture
def root(settings) -> User:
    settings.ADMIN_LOCAL_LOGIN = True
    return User.objects.create_superuser("root", "correct horse battery")


def log_in(browser: Client, password: str, name: str = "root", **extra):
    return browser.post(DOOR, {"username": name, "password": password}, **extra)


def test_a_password_is_not_taken_where_that_is_off(browser, root, settings):
    settings.ADMIN_LOCAL_LOGIN = False

    answer = log_in(browser, "correct horse battery")

    assert answer.status_code == 403
    assert "_auth_user_id" not in browser.session


def test_five_wrong_passwords_lock_the_door_for_a_while_also_for_the_right_one(browser, root):
    for _ in range(4):
        log_in(browser, "wrong")
    locked = log_in(browser, "wrong")

    after = log_in(browser, "correct horse battery")

    assert (locked.status_code, after.status_code, after["Retry-After"]) == (429, 429, "900")
    assert "manage.py axes_reset" in after.content.decode()


def test_an_account_is_locked_from_wherever_it_is_tried(root):
    for number in range(5):
        log_in(Client(), "wrong", REMOTE_ADDR=f"192.0.2.{number}")

    assert log_in(Client(), "correct horse battery", REMOTE_ADDR="192.0.2.9").status_code == 429


def test_the_address_is_the_gateway_s_word_and_not_a_header(root):
    for number in range(5):
        log_in(Client(), "wrong", name=f"guess{number}", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")

    assert log_in(Client(), "correct horse battery").status_code == 429


def test_failures_are_logged_without_the_password(browser, root, caplog):
    caplog.set_level(logging.WARNING, "axes")

    log_in(browser, "hunter2-hunter2")

    assert "New login failure" in caplog.text
    assert "127.0.0.1" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_local_account_signs_out_here_alone(browser, root):
    log_in(browser, "correct horse battery")

    assert DOMAIN not in browser.post("/admin/logout/").content.decode()
