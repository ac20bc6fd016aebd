"""Which tokens are remembered, for how long, and how much memory that takes."""

import threading
import tracemalloc
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from accounts import remembered
from accounts.cognito import Identity, InvalidToken, Verifier
from accounts.keyset import FetchedKeySet, KeysUnavailable, StaticKeySet
from accounts.remembered import LONGEST_TOKEN, MOST_TOKENS, Remembered, Verified
from tests import tokens
from tests.tokens import ALICE, CLIENT_ID, ISSUER, NOW, access_token, key_set, verifier

EXPIRY = NOW + 3540
URL = f"{ISSUER}/.well-known/jwks.json"


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class ChangingKeys:
    """The pool's keys, which change while they are used."""

    def __init__(self) -> None:
        self.keys: dict[str, RSAPublicKey | None] = {tokens.pool().kid: tokens.private_key("pool").public_key()}

    def key(self, kid: str) -> RSAPublicKey | None:
        return self.keys.get(kid)


def is_remembered(verifying: Verifier, token: str) -> bool:
    """Whether the same identity comes back, and not an equal one."""
    return verifying.verify(token) is verifying.verify(token)


def verified(number: int = 0) -> Verified[int]:
    return Verified(number, "kid", tokens.private_key("pool").public_key(), NOW, EXPIRY)


# --- what is remembered


def test_it_remembers_a_good_token() -> None:
    assert is_remembered(verifier(), access_token(now=NOW))


def test_it_remembers_what_the_token_said() -> None:
    verifying = verifier()
    claims: dict[str, Any] = {"email": "alice@example.com", "cognito:groups": ["staff"]}
    token = tokens.id_token(now=NOW, **claims)

    assert verifying.verify(token) == verifying.verify(token)
    assert verifying.verify(token).groups == ("staff",)


def test_it_remembers_no_bad_token() -> None:
    verifying = verifier()
    for token in (access_token(now=NOW, key="evil"), access_token(now=NOW, exp=1), access_token(now=NOW, sub="x")):
        with pytest.raises(InvalidToken):
            verifying.verify(token)

    assert len(verifying._remembered) == 0


def test_a_token_with_another_signature_is_not_the_one_that_is_remembered() -> None:
    verifying = verifier()
    token = access_token(now=NOW)
    verifying.verify(token)

    with pytest.raises(InvalidToken, match="signature"):
        verifying.verify(token[:-3] + "AAA")


def test_each_token_has_its_own_identity() -> None:
    verifying = verifier()
    good = {sub: access_token(sub, now=NOW) for sub in (ALICE, tokens.BOB, tokens.CHARLIE)}

    for _ in range(2):
        assert [verifying.verify(token).sub for token in good.values()] == list(good)


def test_it_keeps_no_token() -> None:
    verifying = verifier()
    token = access_token(now=NOW)
    verifying.verify(token)

    kept = repr(vars(verifying._remembered))

    assert token not in kept
    assert token.rpartition(".")[2] not in kept


# --- for how long


def test_it_is_remembered_until_a_second_before_its_expiry_and_not_at_it() -> None:
    clock = Clock()
    verifying = verifier(now=clock)
    token = access_token(now=NOW)
    first = verifying.verify(token)

    clock.now = EXPIRY - 0.1
    assert verifying.verify(token) is first

    clock.now = EXPIRY
    assert verifying.verify(token) is not first  # in the leeway it is checked anew each time
    assert not is_remembered(verifying, token)


def test_it_is_refused_after_its_expiry() -> None:
    clock = Clock()
    verifying = verifier(now=clock)
    token = access_token(now=NOW)
    verifying.verify(token)

    clock.now = EXPIRY + 30
    with pytest.raises(InvalidToken, match="expired"):
        verifying.verify(token)
    assert len(verifying._remembered) == 0


def test_what_has_expired_is_forgotten_when_it_is_asked_for() -> None:
    clock = Clock()
    verifying = verifier(now=clock)
    verifying.verify(access_token(now=NOW))

    clock.now = EXPIRY + 30
    with pytest.raises(InvalidToken):
        verifying.verify(access_token(now=NOW))

    assert len(verifying._remembered) == 0


@pytest.mark.parametrize(("back_to", "code"), [(NOW - 91, "iat"), (NOW - 31, "nbf")])
def test_a_clock_that_is_set_back_makes_it_check_again(back_to: int, code: str) -> None:
    clock = Clock()
    verifying = verifier(now=clock)
    token = access_token(now=NOW, nbf=NOW)
    verifying.verify(token)

    clock.now = back_to
    with pytest.raises(InvalidToken, match=code):
        verifying.verify(token)


def test_a_token_with_nbf_is_remembered_from_then_on() -> None:
    clock = Clock()
    verifying = verifier(now=clock)
    token = access_token(now=NOW, nbf=NOW + 20)

    assert not is_remembered(verifying, token)
    clock.now = NOW + 20
    assert is_remembered(verifying, token)


def test_a_key_that_has_left_the_set_ends_it() -> None:
    keys = ChangingKeys()
    verifying = verifier(keys=keys)
    token = access_token(now=NOW)
    verifying.verify(token)

    keys.keys.clear()
    with pytest.raises(InvalidToken, match="unknown_kid"):
        verifying.verify(token)
    assert len(verifying._remembered) == 0


def test_another_key_under_the_same_id_ends_it() -> None:
    keys = ChangingKeys()
    verifying = verifier(keys=keys)
    token = access_token(now=NOW)
    verifying.verify(token)

    keys.keys[tokens.pool().kid] = tokens.private_key("evil").public_key()
    with pytest.raises(InvalidToken, match="signature"):
        verifying.verify(token)


def test_a_key_that_was_renewed_is_checked_with_and_remembered_again() -> None:
    keys = ChangingKeys()
    verifying = verifier(keys=keys)
    token = access_token(now=NOW)
    first = verifying.verify(token)

    keys.keys[tokens.pool().kid] = StaticKeySet(key_set()).key(tokens.pool().kid)

    assert verifying.verify(token) is not first
    assert is_remembered(verifying, token)


def test_a_rotation_at_the_endpoint_ends_it() -> None:
    clock, answers = Clock(), [key_set("pool"), key_set("new")]
    keys = FetchedKeySet(URL, fetch=lambda url: answers.pop(0).encode(), now=clock)
    verifying = verifier(keys=keys, now=clock)
    old = access_token(now=NOW)
    verifying.verify(old)

    assert verifying.verify(access_token(now=NOW, key="new")).sub == ALICE
    with pytest.raises(InvalidToken, match="unknown_kid"):
        verifying.verify(old)


def test_keys_that_are_too_old_end_it() -> None:
    clock, answers = Clock(), [key_set()]
    keys = FetchedKeySet(URL, fetch=lambda url: answers.pop().encode() if answers else b"", now=clock)
    verifying = verifier(keys=keys, now=clock)
    token = access_token(now=NOW, iat=NOW, exp=NOW + 86_400)
    verifying.verify(token)
    keys._latest = keys._latest._replace(fetched_at=NOW - 86_400.0)

    with pytest.raises(KeysUnavailable):
        verifying.verify(token)


# --- how much


def test_it_remembers_no_more_than_its_bound_and_forgets_the_oldest() -> None:
    kept: Remembered[int] = Remembered()
    for number in range(MOST_TOKENS + 10):
        kept.add(f"token-{number}", verified(number))

    assert len(kept) == MOST_TOKENS
    assert kept.find("token-9") is None
    assert kept.find("token-10") == verified(10)
    assert kept.find(f"token-{MOST_TOKENS + 9}") == verified(MOST_TOKENS + 9)


def test_a_token_that_comes_again_is_the_newest_and_there_once() -> None:
    kept: Remembered[int] = Remembered()
    kept.add("first", verified())
    kept.add("second", verified())
    kept.add("first", verified(7))
    for number in range(MOST_TOKENS - 1):
        kept.add(f"token-{number}", verified())

    assert kept.find("first") == verified(7)
    assert kept.find("second") is None
    assert len(kept) == MOST_TOKENS


@pytest.mark.parametrize(("length", "found"), [(LONGEST_TOKEN, True), (LONGEST_TOKEN + 1, False)])
def test_a_longer_token_is_not_remembered(length: int, found: bool) -> None:
    kept: Remembered[int] = Remembered()
    kept.add("x" * length, verified())

    assert (kept.find("x" * length) is not None, len(kept)) == (found, int(found))


def test_a_long_token_is_still_good() -> None:
    verifying = verifier()
    token = access_token(now=NOW, username="x" * 4000)

    assert len(token) > LONGEST_TOKEN
    assert verifying.verify(token).sub == ALICE
    assert not is_remembered(verifying, token)


def test_what_is_forgotten_is_gone_also_twice() -> None:
    kept: Remembered[int] = Remembered()
    kept.add("token", verified())
    kept.forget("token")
    kept.forget("token")

    assert kept.find("token") is None


def test_the_heaviest_tokens_take_less_than_thirty_megabytes() -> None:
    groups = [f"{number:x}" for number in range(360)]  # as many as the longest token has room for
    claims: dict[str, Any] = {"cognito:groups": groups}
    assert LONGEST_TOKEN - 200 < len(access_token(now=NOW, **claims)) <= LONGEST_TOKEN
    kept: Remembered[Identity] = Remembered()

    tracemalloc.start()
    for number in range(MOST_TOKENS + 100):
        names = tuple(f"{number}-{name}"[-3:] for name in groups)
        identity = Identity(str(number), "", "access", EXPIRY, NOW, NOW, str(number), names)
        kept.add(str(number), Verified(identity, "kid", tokens.private_key("pool").public_key(), NOW, EXPIRY))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 1_000_000 < taken < 30_000_000


def test_many_threads_may_add_and_forget_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_TOKENS", 4)
    kept: Remembered[int] = Remembered()
    wrong: list[object] = []

    def work(thread: int) -> None:
        for number in range(2000):
            which = (number + thread) % 10
            kept.add(f"token-{which}", verified(which))
            found = kept.find(f"token-{which}")
            if found is not None and found.content != which:
                wrong.append(found)
            kept.forget(f"token-{which}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(kept) <= 4


def test_a_verifier_may_be_shared_by_threads() -> None:
    verifying = Verifier(
        issuer=ISSUER, client_ids=[CLIENT_ID], token_uses=["access"], keys=StaticKeySet(key_set()), now=lambda: NOW
    )
    good = {sub: access_token(sub, now=NOW) for sub in (ALICE, tokens.BOB)}
    wrong: list[str] = []

    def work() -> None:
        for _ in range(200):
            wrong.extend(sub for sub, token in good.items() if verifying.verify(token).sub != sub)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
