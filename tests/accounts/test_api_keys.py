"""Rows of API keys: how many, how long, who, and when they were last used. The time is told to them."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from accounts import api_key_text
from accounts.api_key_text import InvalidKey
from accounts.api_keys import MOST_PER_USER, TooManyKeys
from accounts.models import ApiKey, User
from tests import builders
from tests.tokens import ALICE, BOB

NOW = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def issued(sub: str = ALICE, *, scopes=("read", "write"), expires_at=NOW + timedelta(days=1)) -> tuple[ApiKey, str]:
    return ApiKey.objects.issue(builders.user(sub), name="backup", scopes=scopes, expires_at=expires_at)


def refusal_of(text: str, *, now: datetime = NOW) -> str:
    with pytest.raises(InvalidKey) as refusal:
        ApiKey.objects.good(text, now=now)
    return refusal.value.code


def last_used_at(key: ApiKey) -> datetime | None:
    return ApiKey.objects.get(pk=key.pk).last_used_at


def used_at(text: str, now: datetime) -> None:
    ApiKey.objects.good(text, now=now).note_use(now)


# --- what is stored


@pytest.mark.django_db
def test_the_row_has_the_hash_of_the_key_and_its_beginning_but_not_the_key():
    key, text = issued()

    row = ApiKey.objects.values().get()

    assert (row["digest"], row["prefix"]) == (api_key_text.digest(text), text[:9])
    assert not [value for value in row.values() if text[9:] in str(value)]
    assert text[9:] not in repr(key) + str(key)
    assert row["digest"] not in repr(key) + str(key)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scopes", "stored"),
    [(["read"], ["read"]), (["write"], ["write"]), (["write", "read"], ["read", "write"])],
)
def test_scopes_are_stored_in_one_order(scopes, stored):
    key, _ = issued(scopes=scopes)

    assert ApiKey.objects.get(pk=key.pk).scopes == stored


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["", "write read", "admin", "read write admin"])
def test_the_database_knows_which_scopes_there_are(scope):
    key, _ = issued()

    with pytest.raises((IntegrityError, OperationalError), match=r"(?i)constraint"), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(scope=scope)


# --- which keys are good


@pytest.mark.django_db
def test_a_key_is_found_with_its_user_in_one_query(django_assert_num_queries):
    key, text = issued()

    with django_assert_num_queries(1):
        found = ApiKey.objects.good(text, now=NOW)
        assert (found.pk, found.user.pk, found.user.email) == (key.pk, ALICE, "a11ce@example.com")


@pytest.mark.django_db
def test_a_typing_error_costs_no_query(django_assert_num_queries):
    _, text = issued()

    with django_assert_num_queries(0):
        assert refusal_of(text[:-1]) == "malformed"
        assert refusal_of(text[:10] + ("a" if text[10] != "a" else "b") + text[11:]) == "checksum"


@pytest.mark.django_db
def test_a_key_that_was_never_made_is_unknown():
    issued()

    assert refusal_of(api_key_text.made()) == "unknown"


@pytest.mark.django_db
def test_a_key_that_was_deleted_is_unknown():
    key, text = issued()
    key.delete()

    assert refusal_of(text) == "unknown"


@pytest.mark.django_db
def test_a_key_is_good_until_the_moment_at_which_it_expires():
    _, text = issued(expires_at=NOW)

    assert ApiKey.objects.good(text, now=NOW - timedelta(microseconds=1))
    assert refusal_of(text, now=NOW) == "expired"


@pytest.mark.django_db
def test_the_keys_of_a_user_who_is_switched_off_are_not_good():
    _, text = issued()
    _, other = issued(BOB)
    User.objects.filter(pk=ALICE).update(is_active=False)

    assert refusal_of(text) == "user_switched_off"
    assert ApiKey.objects.good(other, now=NOW)


# --- last use


@pytest.mark.django_db
def test_a_key_that_was_never_used_says_so():
    key, _ = issued()

    assert last_used_at(key) is None


@pytest.mark.django_db
def test_a_use_is_noted_at_most_once_a_minute():
    key, text = issued()
    seen = []
    for seconds in (0, 1, 59, 60, 61, 119, 120):
        used_at(text, NOW + seconds * SECOND)
        seen.append((last_used_at(key) - NOW).total_seconds())

    assert seen == [0, 0, 0, 60, 60, 60, 120]


@pytest.mark.django_db
def test_a_use_within_the_minute_costs_no_query(django_assert_num_queries):
    _, text = issued()
    used_at(text, NOW)

    with django_assert_num_queries(1):
        used_at(text, NOW + 59 * SECOND)


@pytest.mark.django_db
def test_of_two_uses_in_the_same_moment_one_is_written():
    key, text = issued()
    slow = ApiKey.objects.good(text, now=NOW)
    used_at(text, NOW + SECOND)

    slow.note_use(NOW)

    assert last_used_at(key) == NOW + SECOND


@pytest.mark.django_db
def test_the_use_of_a_key_that_is_deleted_meanwhile_is_no_error():
    key, text = issued()
    in_use = ApiKey.objects.good(text, now=NOW)
    key.delete()

    in_use.note_use(NOW)

    assert not ApiKey.objects.exists()


def refused() -> None:
    raise OperationalError(1290, "The server is running with the --read-only option")


def lost() -> None:
    """The server ends our connection, as it does in a failover."""
    with contextlib.closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("KILL %s", [connection.connection.thread_id()])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "happens", [refused, pytest.param(lost, marks=pytest.mark.skipif(connection.vendor == "sqlite", reason="a file"))]
)
def test_a_use_that_cannot_be_noted_is_logged_and_the_request_goes_on(happens, caplog):
    key, text = issued()
    in_use = ApiKey.objects.good(text, now=NOW)

    def trouble(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            happens()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(trouble):
        in_use.note_use(NOW)

    assert last_used_at(key) is None
    assert f"the use of API key {key.pk} could not be noted" in caplog.text
    assert text not in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks no single row")
def test_a_key_whose_row_somebody_has_locked_can_be_used():
    key, text = issued()
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            ApiKey.objects.select_for_update().get(pk=key.pk)
            holding.set()
            let_go.wait(30)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert holding.wait(10)
    with connection.cursor() as cursor:
        cursor.execute("SET innodb_lock_wait_timeout = 1")

    used_at(text, NOW)
    let_go.set()
    other.join()

    assert last_used_at(key) is None


# --- how many


@pytest.mark.django_db
def test_a_user_has_so_many_keys_and_no_more():
    for _ in range(MOST_PER_USER):
        issued()

    with pytest.raises(TooManyKeys):
        issued()
    assert ApiKey.objects.count() == MOST_PER_USER


@pytest.mark.django_db
def test_the_keys_of_others_do_not_count():
    for _ in range(MOST_PER_USER):
        issued(BOB)

    assert issued(ALICE)


@pytest.mark.django_db
def test_expired_keys_count_until_they_are_deleted():
    keys = [issued(expires_at=NOW - timedelta(days=400))[0] for _ in range(MOST_PER_USER)]
    with pytest.raises(TooManyKeys):
        issued()

    keys[0].delete()

    assert issued()


@pytest.mark.django_db(transaction=True)
def test_forty_at_once_make_exactly_as_many_keys_as_there_may_be():
    user = builders.user()
    start = threading.Barrier(40)
    outcomes: list[str] = []

    def ask() -> None:
        start.wait(30)
        try:
            while True:
                try:
                    ApiKey.objects.issue(user, name="k", scopes=["read"], expires_at=NOW)
                except OperationalError:  # a lock that was waited for too long on a slow machine: ask again
                    continue
                except TooManyKeys:
                    outcomes.append("too many")
                else:
                    outcomes.append("made")
                return
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert (outcomes.count("made"), outcomes.count("too many")) == (MOST_PER_USER, 40 - MOST_PER_USER)
    assert ApiKey.objects.for_user(user).count() == MOST_PER_USER
