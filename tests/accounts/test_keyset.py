"""When the pool's keys are fetched, how long they are trusted, and what a failing endpoint does to callers."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.cognito import InvalidToken, Verifier
from accounts.keyset import FetchedKeySet, KeySet, KeysUnavailable, StaticKeySet, keys_from
from tests import tokens
from tests.tokens import ABSENT, CLIENT_ID, ISSUER, jwk, key_set

URL = f"{ISSUER}/.well-known/jwks.json"
HOUR = 3600.0
DAY = 24 * HOUR
KID = tokens.pool().kid
NEW_KID = tokens.pool("new").kid


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Endpoint:
    """The far side: answers with ``answer``, or fails with it."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.calls = 0

    def __call__(self, url: str) -> bytes:
        assert url == URL
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


DOWN = OSError("unreachable")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(key_set().encode())


@pytest.fixture
def keys(endpoint: Endpoint, clock: Clock) -> FetchedKeySet:
    return FetchedKeySet(URL, fetch=endpoint, now=clock)


def knows(keys: KeySet, kid: str) -> bool:
    return keys.key(kid) is not None


def finish_fetching() -> None:
    """A known key does not wait for the fetch that it causes; who wants to see the result does."""
    for thread in threading.enumerate():
        if thread.name == "key set":
            thread.join(20)


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """No fetch outlives its test."""
    yield
    finish_fetching()


# --- when all is well


def test_it_fetches_nothing_before_it_is_asked(keys: FetchedKeySet, endpoint: Endpoint) -> None:
    assert endpoint.calls == 0


def test_it_gives_the_key_with_the_id(keys: FetchedKeySet) -> None:
    assert keys.key(KID) == tokens.private_key("pool").public_key()


def test_it_does_not_give_a_key_with_another_id(keys: FetchedKeySet) -> None:
    assert keys.key("another") is None


def test_it_fetches_once_an_hour(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    keys.key(KID)
    clock.now += HOUR - 1
    keys.key(KID)
    assert endpoint.calls == 1

    clock.now += 1
    keys.key(KID)
    finish_fetching()
    assert endpoint.calls == 2


def test_a_key_that_was_withdrawn_is_gone_with_the_next_fetch(
    keys: FetchedKeySet, endpoint: Endpoint, clock: Clock
) -> None:
    keys.key(KID)
    endpoint.answer = key_set("new").encode()
    clock.now += HOUR
    keys.key(KID)
    finish_fetching()

    assert not knows(keys, KID)


def test_a_new_key_is_found_at_once_when_the_last_fetch_is_not_recent(
    keys: FetchedKeySet, endpoint: Endpoint, clock: Clock
) -> None:
    keys.key(KID)
    endpoint.answer = key_set("pool", "new").encode()
    clock.now += 30

    assert knows(keys, NEW_KID)
    assert knows(keys, KID)


def test_a_new_key_is_found_at_once_also_just_after_a_fetch(keys: FetchedKeySet, endpoint: Endpoint) -> None:
    keys.key(KID)
    endpoint.answer = key_set("new").encode()

    assert knows(keys, NEW_KID)
    assert not knows(keys, KID)


def test_a_new_key_is_found_half_a_minute_after_a_fetch_that_found_nothing(
    keys: FetchedKeySet, endpoint: Endpoint, clock: Clock
) -> None:
    keys.key(KID)
    keys.key("another")
    endpoint.answer = key_set("new").encode()
    clock.now += 29
    assert not knows(keys, NEW_KID)

    clock.now += 1
    assert knows(keys, NEW_KID)


def test_an_endpoint_that_cannot_make_up_its_mind_is_asked_twice_in_half_a_minute(
    keys: FetchedKeySet, endpoint: Endpoint
) -> None:
    for _ in range(10):
        for name in ("pool", "new"):
            endpoint.answer = key_set(name).encode()
            keys.key(tokens.pool(name).kid)

    assert endpoint.calls == 2


@pytest.mark.parametrize(
    "answer", [key_set().encode(), DOWN, b"{}", b'{"keys": []}'], ids=["up", "down", "not", "empty"]
)
@pytest.mark.parametrize("warm", [True, False])
def test_unknown_ids_cause_one_fetch_in_half_a_minute_whatever_the_endpoint_does(
    answer: bytes | Exception, warm: bool, keys: FetchedKeySet, endpoint: Endpoint, clock: Clock
) -> None:
    if warm:
        keys.key(KID)
    endpoint.answer = answer
    endpoint.calls = 0
    for number in range(10_000):
        with contextlib.suppress(KeysUnavailable):
            assert not knows(keys, f"unknown-{number}")
        clock.now += 0.01  # 100 seconds altogether

    assert endpoint.calls == 4


def test_ten_thousand_unknown_ids_cause_one_fetch(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    keys.key(KID)
    clock.now += 30

    assert not any(knows(keys, f"unknown-{number}") for number in range(10_000))
    assert endpoint.calls == 2


# --- when the endpoint fails


def test_without_any_keys_it_says_that_nobody_can_tell(keys: FetchedKeySet, endpoint: Endpoint) -> None:
    endpoint.answer = DOWN

    with pytest.raises(KeysUnavailable):
        keys.key(KID)


def test_without_any_keys_many_questions_cause_one_fetch(keys: FetchedKeySet, endpoint: Endpoint) -> None:
    endpoint.answer = DOWN

    for _ in range(200):
        with pytest.raises(KeysUnavailable):
            keys.key(KID)

    assert endpoint.calls == 1


def test_it_recovers_half_a_minute_after_a_failure(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    endpoint.answer = DOWN
    with pytest.raises(KeysUnavailable):
        keys.key(KID)
    endpoint.answer = key_set().encode()
    clock.now += 30

    assert knows(keys, KID)


def test_known_keys_serve_on_for_a_day(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    keys.key(KID)
    endpoint.answer = DOWN
    clock.now += DAY - 1
    keys.key(KID)
    finish_fetching()

    assert knows(keys, KID)


def test_after_a_day_a_key_is_trusted_no_longer(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    keys.key(KID)
    endpoint.answer = DOWN
    clock.now += DAY

    with pytest.raises(KeysUnavailable):
        keys.key(KID)


def test_with_known_keys_an_unknown_id_is_unknown_and_not_unavailable(
    keys: FetchedKeySet, endpoint: Endpoint, clock: Clock
) -> None:
    keys.key(KID)
    endpoint.answer = DOWN
    clock.now += 30

    assert not knows(keys, "another")


def test_renewing_is_tried_twice_a_minute_while_it_fails(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    keys.key(KID)
    endpoint.answer = DOWN
    clock.now += HOUR
    for _ in range(60):
        assert knows(keys, KID)
        assert not knows(keys, "another")
        finish_fetching()
        clock.now += 1

    assert endpoint.calls == 1 + 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b"[]",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [7]}',
        b'{"keys": [{"kid": "x", "kty": "oct", "k": "c2VjcmV0"}]}',
        b"<!doctype html><title>Sign in to the hotel</title>",
        b"\xff\xfe",
        b'{"keys":' + b"[" * 50_000,
        TimeoutError(),
        http.client.IncompleteRead(b""),
    ],
)
def test_an_answer_without_keys_never_wipes_known_ones(
    answer: bytes | Exception, keys: FetchedKeySet, endpoint: Endpoint, clock: Clock
) -> None:
    keys.key(KID)
    endpoint.answer = answer
    clock.now += HOUR
    keys.key(KID)
    finish_fetching()

    assert endpoint.calls == 2
    assert knows(keys, KID)


@pytest.mark.parametrize("answer", [b"{}", b'{"keys": []}', b"<html>"])
def test_an_answer_that_is_no_key_set_is_a_failure(answer: bytes, keys: FetchedKeySet, endpoint: Endpoint) -> None:
    endpoint.answer = answer

    with pytest.raises(KeysUnavailable):
        keys.key(KID)


def test_a_pool_without_a_usable_key_knows_none(keys: FetchedKeySet, endpoint: Endpoint) -> None:
    endpoint.answer = json.dumps({"keys": [jwk(use="enc")]}).encode()

    assert not knows(keys, KID)


def test_a_failure_is_told_to_the_operators(
    keys: FetchedKeySet, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.answer = DOWN
    with pytest.raises(KeysUnavailable):
        keys.key(KID)

    assert "unreachable" in caplog.text


def test_a_clock_that_is_set_back_stops_nothing(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    keys.key(KID)
    endpoint.answer = key_set("new").encode()
    clock.now -= HOUR

    assert knows(keys, NEW_KID)


# --- when several threads ask


class HangingEndpoint(Endpoint):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(key_set("pool", "new").encode())
        self.called, self.told = threading.Event(), threading.Event()

    def __call__(self, url: str) -> bytes:
        self.called.set()
        assert self.told.wait(20)
        return super().__call__(url)


def in_thread(ask: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def answer_while(hanging: HangingEndpoint, ask: Callable[[], object]) -> object:
    """What is answered although the endpoint hangs; fails where the answer waits for it."""
    answers: list[object] = []
    asking = in_thread(lambda: answers.append(ask()))
    asking.join(10)
    found, still_hanging = answers[:], not hanging.told.is_set()
    hanging.told.set()
    asking.join()
    assert still_hanging
    assert found, "it waits"
    return found[0]


@pytest.fixture
def patient(clock: Clock) -> FetchedKeySet:
    """With known keys, and ready to wait for others for longer than any test does."""
    keys = FetchedKeySet(URL, fetch=Endpoint(key_set().encode()), now=clock, patience=20)
    keys.key(KID)
    return keys


@pytest.mark.parametrize("age", [HOUR - 1, HOUR, DAY - 1])
def test_a_known_key_waits_for_nobody(age: float, patient: FetchedKeySet, clock: Clock) -> None:
    patient._fetch = hanging = HangingEndpoint()
    clock.now += age
    waiting = in_thread(lambda: patient.key("another"))
    assert hanging.called.wait(20)

    assert answer_while(hanging, lambda: knows(patient, KID)) is True

    waiting.join()


@pytest.mark.parametrize("age", [HOUR, DAY - 1])
def test_a_known_key_does_not_wait_for_the_fetch_that_it_causes(
    age: float, patient: FetchedKeySet, clock: Clock
) -> None:
    patient._fetch = hanging = HangingEndpoint()
    clock.now += age

    assert answer_while(hanging, lambda: knows(patient, KID)) is True

    assert hanging.called.is_set()


def test_an_unknown_key_waits_for_the_fetch_that_a_known_one_has_caused(patient: FetchedKeySet, clock: Clock) -> None:
    patient._fetch = hanging = HangingEndpoint()
    clock.now += HOUR
    patient.key(KID)
    assert hanging.called.wait(20)
    found: list[bool] = []
    asking = in_thread(lambda: found.append(knows(patient, NEW_KID)))
    asking.join(0.2)
    hanging.told.set()
    asking.join()

    assert found == [True]


@pytest.mark.parametrize("age", [None, DAY], ids=["no keys", "keys too old"])
def test_all_who_wait_share_one_fetch(age: float | None, clock: Clock) -> None:
    hanging = HangingEndpoint()
    keys = FetchedKeySet(URL, fetch=Endpoint(key_set().encode()), now=clock, patience=20)
    if age is not None:
        keys.key(KID)
        clock.now += age
    keys._fetch = hanging
    found: list[bool] = []
    waiting = [in_thread(lambda kid=kid: found.append(knows(keys, kid))) for kid in [KID, NEW_KID] * 8]  # type: ignore[misc]
    hanging.called.wait(20)
    hanging.told.set()
    for thread in waiting:
        thread.join()

    assert found == [True] * 16
    assert hanging.calls == 1


def test_patience_with_an_endpoint_ends(clock: Clock) -> None:
    hanging = HangingEndpoint()
    keys = FetchedKeySet(URL, fetch=hanging, now=clock, patience=0.01)

    with pytest.raises(KeysUnavailable):
        keys.key(KID)

    hanging.told.set()


def test_nobody_waits_for_the_patience_of_others_as_well(clock: Clock) -> None:
    hanging = HangingEndpoint()
    keys = FetchedKeySet(URL, fetch=hanging, now=clock, patience=0.5)

    def ask() -> None:
        with pytest.raises(KeysUnavailable):
            keys.key(KID)

    began = time.monotonic()
    for thread in [in_thread(ask) for _ in range(10)]:
        thread.join()
    waited = time.monotonic() - began
    hanging.told.set()

    assert waited < 2.5  # one after another, they would need five seconds


def test_an_answer_that_comes_too_late_serves_the_next(clock: Clock) -> None:
    hanging = HangingEndpoint()
    keys = FetchedKeySet(URL, fetch=hanging, now=clock, patience=0.01)
    with pytest.raises(KeysUnavailable):
        keys.key(KID)
    hanging.told.set()
    finish_fetching()

    assert knows(keys, KID)


# --- together with the verifier


def verifier(keys: KeySet) -> Verifier:
    return Verifier(issuer=ISSUER, client_ids=[CLIENT_ID], token_uses=["access"], keys=keys)


def test_a_token_of_a_rotated_key_is_accepted(keys: FetchedKeySet, endpoint: Endpoint, clock: Clock) -> None:
    verifier(keys).verify(tokens.access_token())
    endpoint.answer = key_set("new").encode()
    clock.now += 30

    assert verifier(keys).verify(tokens.access_token(key="new")).sub == tokens.ALICE


def test_a_forged_token_is_invalid_also_while_the_endpoint_fails(
    keys: FetchedKeySet, endpoint: Endpoint, clock: Clock
) -> None:
    verifier(keys).verify(tokens.access_token())
    endpoint.answer = DOWN
    clock.now += DAY - 1

    with pytest.raises(InvalidToken, match="unknown_kid"):
        verifier(keys).verify(tokens.access_token(key="evil"))


# --- which keys are used


def number_of(bits: int) -> str:
    """An odd number of so many bits, as in a JWK."""
    return tokens.encoded(((1 << (bits - 1)) + 1).to_bytes((bits + 7) // 8, "big"))


@pytest.mark.parametrize("overrides", [{}, {"alg": ABSENT}, {"use": ABSENT}, {"n": number_of(8192)}, {"x5t": "?"}])
def test_it_uses_public_rsa_keys_for_signatures(overrides: dict[str, Any]) -> None:
    assert knows(StaticKeySet(json.dumps({"keys": [jwk(**overrides)]})), KID)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        [],
        {},
        jwk(kty="EC"),
        jwk(kty="oct", k="c2VjcmV0"),
        jwk(kty=ABSENT),
        jwk(alg="RS512"),
        jwk(alg=None),
        jwk(use="enc"),
        jwk(use=None),
        jwk(d="c2VjcmV0"),
        jwk(kid=""),
        jwk(kid=7),
        jwk(kid=ABSENT),
        jwk(n=number_of(2047)),
        jwk(n=number_of(8193)),
        jwk(n=ABSENT),
        jwk(n=7),
        jwk(n="é"),
        jwk(n="a"),
        jwk(n=""),
        jwk(e=ABSENT),
        jwk(e=tokens.encoded(b"\x02")),
        jwk(e=tokens.encoded(b"\x01")),
    ],
)
def test_it_leaves_out_every_other_key(entry: object) -> None:
    keys = StaticKeySet(json.dumps({"keys": [entry, jwk("new")]}))

    assert not knows(keys, KID)
    assert knows(keys, NEW_KID)


def test_of_two_keys_with_one_id_the_first_counts() -> None:
    keys = StaticKeySet(json.dumps({"keys": [jwk(), jwk("evil", kid=KID)]}))

    assert keys.key(KID) == tokens.private_key("pool").public_key()


# --- where keys come from


def test_keys_may_be_given_as_text() -> None:
    assert knows(keys_from("\n" + key_set(), ISSUER), KID)


def test_keys_may_be_given_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(key_set())

    assert knows(keys_from(str(path), ISSUER), KID)


def test_keys_are_fetched_where_none_are_given() -> None:
    keys = keys_from("", ISSUER)

    assert isinstance(keys, FetchedKeySet)
    assert keys._url == URL


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("{", "not JSON"),
        ("{}", 'a list of "keys"'),
        ('{"keys": []}', 'a list of "keys"'),
        ('{"keys": [{}]}', "no RSA key"),
        ("/does/not/exist", "neither JSON text nor a file"),
        ("/", "neither JSON text nor a file"),
        ("a\x00b", "neither JSON text nor a file"),
    ],
)
def test_what_is_no_key_set_is_told_at_the_start(setting: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        keys_from(setting, ISSUER)


def test_keys_are_not_fetched_without_tls() -> None:
    with pytest.raises(ValueError, match="https only"):
        FetchedKeySet("http://127.0.0.1/jwks.json")
