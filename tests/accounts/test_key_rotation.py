"""Keys that change, and a key server that fails in every way, over real HTTPS: who gets in, and who has to wait."""

import threading
import time
from collections.abc import Iterator

import pytest

from accounts.cognito import InvalidToken, KeysUnavailable, Verifier
from accounts.keyset import FetchedKeySet
from tests import tokens
from tests.accounts import key_server
from tests.accounts.key_server import Answer, KeyServer
from tests.tokens import CLIENT_ID, ISSUER, NOW, access_token, compact, key_set

DAY = 24 * 3600
UNKNOWN = 10_000


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    with (
        key_server.running(tmp_path_factory.mktemp("keys")) as (running, environment),
        pytest.MonkeyPatch.context() as at,
    ):
        for name, value in environment.items():
            at.setenv(name, value)
        yield running


@pytest.fixture
def pool(server: KeyServer) -> Iterator[KeyServer]:
    server.answer, server.vouched_for = Answer(key_set()), True
    server.paths.clear()
    yield server
    if server.answer.hang is not None:
        server.answer.hang.set()
    finish_fetching()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(pool: KeyServer, clock: Clock) -> Verifier:
    return fetching(clock)


def fetching(clock: Clock) -> Verifier:
    keys = FetchedKeySet(f"{ISSUER}/.well-known/jwks.json", now=clock)
    return Verifier(issuer=ISSUER, client_ids=[CLIENT_ID], token_uses=["access"], keys=keys, now=clock)


def finish_fetching() -> None:
    for thread in threading.enumerate():
        if thread.name == "key set":
            thread.join(20)


def token_of(clock: Clock, key: str = "pool") -> str:
    return access_token(now=clock.now, key=key)


def unknown_tokens(clock: Clock) -> list[str]:
    """For us by all that they say, under key ids that nobody has; the signature is not looked at."""
    _, payload, signature = token_of(clock).split(".")
    return [
        f"{tokens.encoded({'alg': 'RS256', 'kid': f'unknown-{number}'})}.{payload}.{signature}"
        for number in range(UNKNOWN)
    ]


def refusals(verifier: Verifier, all_tokens: list[str], threads: int = 4) -> set[str]:
    """What became of them all, when several threads bring them."""
    found: set[str] = set()

    def work(which: int) -> None:
        for token in all_tokens[which::threads]:
            try:
                verifier.verify(token)
            except InvalidToken as refusal:
                found.add(refusal.code)
            except KeysUnavailable:
                found.add("unavailable")
            else:
                found.add("accepted")

    working = [threading.Thread(target=work, args=(which,)) for which in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    return found


LIES = {
    "a page": Answer("<!doctype html><title>Sign in to the hotel</title>"),
    "nothing": Answer(b""),
    "no keys": Answer('{"keys": []}'),
    "no object": Answer("[]"),
    "half of it": Answer(key_set()[:-20]),
    "keys of another kind": Answer('{"keys": [{"kid": "x", "kty": "oct", "k": "c2VjcmV0"}]}'),
    "too much": Answer(key_set("pool", "evil").ljust(150_001)),
    "an error": Answer(key_set("pool", "evil"), 500),
    "a redirect": Answer(key_set("pool", "evil"), 302, Location="https://evil.example/jwks.json"),
    "bytes": Answer(b"\x1f\x8b\xff\xfe" * 100),
}


@pytest.mark.parametrize("answer", [Answer(key_set()), *LIES.values()], ids=["the keys", *LIES])
def test_ten_thousand_unknown_ids_cause_one_fetch(
    answer: Answer, pool: KeyServer, verifier: Verifier, clock: Clock
) -> None:
    verifier.verify(token_of(clock))
    pool.answer = answer
    pool.paths.clear()

    assert refusals(verifier, unknown_tokens(clock)) == {"unknown_kid"}
    assert len(pool.paths) == 1
    assert verifier.verify(token_of(clock)).sub == tokens.ALICE


def test_they_cause_one_fetch_where_no_key_is_known_either(pool: KeyServer, verifier: Verifier, clock: Clock) -> None:
    pool.answer = Answer(status=500)

    assert refusals(verifier, unknown_tokens(clock)) == {"unavailable"}
    assert len(pool.paths) == 1


def test_a_new_key_works_at_its_first_use(pool: KeyServer, verifier: Verifier, clock: Clock) -> None:
    verifier.verify(token_of(clock))
    pool.answer = Answer(key_set("pool", "new"))

    assert verifier.verify(token_of(clock, "new")).sub == tokens.ALICE


def test_a_new_key_works_half_a_minute_after_made_up_ones(pool: KeyServer, verifier: Verifier, clock: Clock) -> None:
    verifier.verify(token_of(clock))
    refusals(verifier, unknown_tokens(clock)[:10])
    pool.answer = Answer(key_set("pool", "new"))
    clock.now += 30

    assert verifier.verify(token_of(clock, "new")).sub == tokens.ALICE


def test_an_old_key_stops_when_it_leaves_the_set_also_for_remembered_tokens(
    pool: KeyServer, verifier: Verifier, clock: Clock
) -> None:
    old = token_of(clock)
    verifier.verify(old)
    pool.answer = Answer(key_set("new"))
    verifier.verify(token_of(clock, "new"))

    assert refusals(verifier, [old, token_of(clock)]) == {"unknown_kid"}


def test_it_stops_within_an_hour_where_no_new_one_is_used(pool: KeyServer, verifier: Verifier, clock: Clock) -> None:
    verifier.verify(token_of(clock))
    pool.answer = Answer(key_set("new"))
    clock.now += 3600
    verifier.verify(token_of(clock))  # has the keys fetched, but does not wait for them
    finish_fetching()

    assert refusals(verifier, [token_of(clock)]) == {"unknown_kid"}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
def test_for_a_day_a_server_that_lies_locks_nobody_out_and_lets_nobody_in(
    answer: Answer, pool: KeyServer, verifier: Verifier, clock: Clock
) -> None:
    verifier.verify(token_of(clock))
    pool.answer = answer

    for hours in (1, 12, 23.99):
        clock.now = NOW + hours * 3600
        assert verifier.verify(token_of(clock)).sub == tokens.ALICE
        finish_fetching()
        assert refusals(verifier, [token_of(clock), token_of(clock, "evil")]) == {"accepted", "unknown_kid"}
    clock.now = NOW + DAY
    assert refusals(verifier, [token_of(clock)]) == {"unavailable"}
    assert len(pool.paths) > 3


def test_a_server_that_nobody_vouches_for_is_not_believed(pool: KeyServer, verifier: Verifier, clock: Clock) -> None:
    verifier.verify(token_of(clock))
    pool.vouched_for = False
    pool.answer = Answer(key_set("evil"))
    clock.now += 3600

    assert refusals(verifier, [token_of(clock), token_of(clock, "evil")]) == {"accepted", "unknown_kid"}


def test_nobody_with_a_known_key_waits_for_a_server_that_hangs(
    pool: KeyServer, verifier: Verifier, clock: Clock
) -> None:
    verifier.verify(token_of(clock))
    pool.answer = Answer(key_set("pool", "new"))
    pool.answer.hang = threading.Event()
    clock.now += 3600
    waiting = threading.Thread(target=refusals, args=(verifier, [token_of(clock, "new")]))
    waiting.start()

    began = time.monotonic()
    for _ in range(50):
        verifier.verify(token_of(clock))
    waited = time.monotonic() - began

    still_hanging = waiting.is_alive()
    pool.answer.hang.set()
    waiting.join()
    assert still_hanging
    assert waited < 1.0


def test_who_has_an_unknown_key_waits_for_three_seconds_at_most(pool: KeyServer, clock: Clock) -> None:
    pool.answer.hang = threading.Event()
    verifier = fetching(clock)

    began = time.monotonic()
    assert refusals(verifier, [token_of(clock)] * 8, threads=8) == {"unavailable"}

    assert time.monotonic() - began < 3.5  # the time-out of one answer is a second and a half
    assert len(pool.paths) <= 1


def test_what_is_not_for_us_asks_no_server(pool: KeyServer, verifier: Verifier, clock: Clock) -> None:
    wrong = [
        access_token(now=clock.now, iss="https://evil.example"),
        access_token(now=clock.now, client_id="another"),
        compact({"alg": "none", "kid": "x"}, {"iss": ISSUER}),
    ]

    assert refusals(verifier, wrong) == {"iss", "client", "alg"}
    assert pool.paths == []
