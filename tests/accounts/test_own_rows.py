"""Reading one's own rows: one question that finds them, and finds none for whom is not let in any more."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey, EndedSignIn, User
from tests import builders, tokens
from tests.tokens import ALICE, CHARLIE

pytestmark = pytest.mark.django_db

SIGN_IN = "5c1d8f0a-0000-4000-8000-00000000000a"


@pytest.fixture
def signed_in() -> APIClient:
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.access_token(ALICE, origin_jti=SIGN_IN)}")
    return caller


def addresses() -> list[str]:
    """What is read: a list, a list of nothing, a video, what is nobody's, and what makes no sense."""
    video = builders.completed()
    return ["/videos", "/videos?status=failed", f"/videos/{video.pk}", f"/videos/{uuid.uuid4()}", "/videos?sort=up"]


def switched_off() -> None:
    User.objects.filter(pk=ALICE).update(is_active=False)


def signed_out_everywhere() -> None:
    User.objects.filter(pk=ALICE).update(tokens_valid_after=timezone.now() + timedelta(seconds=1))


def signed_out_here() -> None:
    later = timezone.now() + timedelta(days=1)
    EndedSignIn.objects.create(user_id=ALICE, origin_jti=SIGN_IN, forget_at=later)


@pytest.mark.parametrize("happened", [switched_off, signed_out_everywhere, signed_out_here])
def test_who_is_not_let_in_any_more_gets_no_answer_but_401(signed_in, happened):
    asked = addresses()
    happened()

    assert [signed_in.get(address).status_code for address in asked] == [401] * 5


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "nonsense"])
def test_it_tells_nothing_to_whom_is_switched_off_whatever_is_accepted(signed_in, accept):
    builders.completed()
    switched_off()

    assert signed_in.get("/videos", HTTP_ACCEPT=accept).status_code == 401


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_it_tells_nothing_to_whom_is_switched_off_by_any_method(signed_in, method):
    address = f"/videos/{builders.completed().pk}"
    switched_off()

    assert getattr(signed_in, method)(address).status_code == 401


def test_another_sign_in_goes_on(signed_in):
    builders.completed()
    later = timezone.now() + timedelta(days=1)
    EndedSignIn.objects.create(user_id=ALICE, origin_jti=str(uuid.uuid4()), forget_at=later)

    assert len(signed_in.get("/videos").json()["results"]) == 1


def test_a_sign_in_after_the_signing_out_is_let_in():
    builders.completed()
    User.objects.filter(pk=ALICE).update(tokens_valid_after=timezone.now() - timedelta(hours=1))
    caller = APIClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens.access_token(ALICE)}")

    assert len(caller.get("/videos").json()["results"]) == 1


@pytest.mark.parametrize("address", ["/videos", "/videos/{id}"])
def test_it_is_one_query(alice, address, django_assert_num_queries):
    video = builders.completed()
    alice.get("/videos")

    with django_assert_num_queries(1):
        assert alice.get(address.format(id=video.pk)).status_code == 200


def test_it_is_one_query_more_by_an_api_key(django_assert_num_queries):
    builders.completed()
    owner = User.objects.get(pk=ALICE)
    tomorrow = timezone.now() + timedelta(days=1)
    _, text = ApiKey.objects.issue(owner, name="nightly", scopes=["read"], expires_at=tomorrow)
    script = APIClient()
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    script.get("/videos")  # its use is noted once a minute

    with django_assert_num_queries(2):
        assert len(script.get("/videos").json()["results"]) == 1


def test_who_was_never_here_is_known_from_now_on(charlie):
    assert charlie.get("/videos").json()["results"] == []

    assert User.objects.get(pk=CHARLIE).email == "charlie@example.com"


@pytest.mark.parametrize("address", ["/videos", "/videos/{id}"])
def test_a_new_e_mail_is_kept(alice, address):
    video = builders.completed()
    User.objects.filter(pk=ALICE).update(email="before@example.com")

    alice.get(address.format(id=video.pk))

    assert User.objects.get(pk=ALICE).email == "alice@example.com"


def test_an_access_token_which_tells_none_erases_no_e_mail(signed_in):
    builders.completed()
    User.objects.filter(pk=ALICE).update(email="before@example.com")

    signed_in.get("/videos")

    assert User.objects.get(pk=ALICE).email == "before@example.com"


# --- the same rule, said twice: here in SQL, for all other calls in Python


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("after", [None, -SECOND, timedelta(0), SECOND])
@pytest.mark.parametrize("ended", ["", SIGN_IN, "another"])
def test_it_lets_in_whom_all_other_calls_let_in(active, after, ended):
    signed_in_at = int(timezone.now().timestamp()) - 60
    builders.completed()
    moment = datetime.fromtimestamp(signed_in_at, UTC)
    User.objects.filter(pk=ALICE).update(is_active=active, tokens_valid_after=None if after is None else moment + after)
    if ended:
        EndedSignIn.objects.create(user_id=ALICE, origin_jti=ended, forget_at=timezone.now() + timedelta(days=1))
    caller = APIClient()
    token = tokens.access_token(ALICE, auth_time=signed_in_at, origin_jti=SIGN_IN)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    found, usual = caller.get("/videos"), caller.get("/me")

    assert found.status_code == usual.status_code
    assert usual.status_code == 401 or len(found.json()["results"]) == 1  # and not let in to nothing


def test_an_api_key_is_let_in_whatever_becomes_of_tokens():
    builders.completed()
    tomorrow = timezone.now() + timedelta(days=1)
    _, text = ApiKey.objects.issue(User.objects.get(pk=ALICE), name="nightly", scopes=["read"], expires_at=tomorrow)
    User.objects.filter(pk=ALICE).update(tokens_valid_after=timezone.now() + timedelta(minutes=1))
    script = APIClient()
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")

    assert len(script.get("/videos").json()["results"]) == 1
