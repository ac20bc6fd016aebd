"""What a token costs: to verify it, to remember it, to refuse it.

    python -m benchmarks.tokens --rounds 40

Each line is measured in rounds that take turns, so that what else the machine does meets all alike; printed are the
median of the rounds and the quarters between which half of them lie, in microseconds for each token. "PyJWT" is that
library alone with the checks that it has, on the same tokens in the same run; the ratio to it is what can be compared
between machines. Exits with 1 where a bar is missed.
"""

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from accounts.cognito import InvalidToken, Verifier, bearer_token
from accounts.keyset import StaticKeySet
from local.cognito import CLIENT_ID, ISSUER, Pool

MEDIAN_BAR_US = 500.0  # for any token, known or not
JUNK_BAR_US = 100.0  # for 100 kB
TOKENS = 50  # in a round
SUB = "a11ce000-0000-4000-8000-000000000001"


class Line(NamedTuple):
    """What is done to each of a number of tokens."""

    name: str
    work: Callable[[], None]
    bar: float
    per: int = TOKENS


def lines() -> list[Line]:
    """All that is measured."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pool, public = Pool(key), key.public_key()
    tokens = [pool.issue(SUB, "alice@example.com", "access") for _ in range(TOKENS)]
    keys = StaticKeySet(pool.jwks())
    remembering = _verifier(keys)
    for token in tokens:
        remembering.verify(token)
    forged = [token[:-20] + "A" * 20 for token in tokens]
    junk = {"no scheme": "." * 100_000, "Bearer": "Bearer " + "a." * 50_000, "quotes": "Bearer " + '"' * 100_000}

    def cold() -> None:
        verifier = _verifier(keys)  # knows none of them
        for token in tokens:
            verifier.verify(token)

    def remembered() -> None:
        for token in tokens:
            remembering.verify(token)

    def pyjwt() -> None:
        for token in tokens:
            options: jwt.types.Options = {"require": ["exp", "iat", "iss", "sub"]}
            jwt.decode(token, public, algorithms=["RS256"], issuer=ISSUER, leeway=30, options=options)

    def refuse(headers: list[str]) -> Callable[[], None]:
        def work() -> None:
            for header in headers:
                try:
                    remembering.verify(bearer_token(header) or "")
                except InvalidToken:
                    continue
                raise AssertionError("accepted")

        return work

    return [
        Line("PyJWT", pyjwt, float("inf")),
        Line("verified, first time", cold, MEDIAN_BAR_US),
        Line("verified, remembered", remembered, MEDIAN_BAR_US),
        Line("refused: forged", refuse(forged), MEDIAN_BAR_US),
        *(Line(f"refused: 100 kB, {name}", refuse([text] * TOKENS), JUNK_BAR_US) for name, text in junk.items()),
    ]


def _verifier(keys: StaticKeySet) -> Verifier:
    return Verifier(issuer=ISSUER, client_ids=[CLIENT_ID], token_uses=["id", "access"], keys=keys)


def measured(all_lines: list[Line], rounds: int) -> dict[str, list[float]]:
    """Microseconds for one token, by line, one for each round; the first round is not counted."""
    found: dict[str, list[float]] = {line.name: [] for line in all_lines}
    gc.disable()
    for number in range(rounds + 1):
        for line in all_lines:
            began = time.perf_counter()
            line.work()
            if number:
                found[line.name].append((time.perf_counter() - began) / line.per * 1e6)
    gc.enable()
    return found


def main() -> int:
    """Print a line for each, and whether the bars are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help=f"of {TOKENS} tokens each, two at least")
    all_lines = lines()
    found = measured(all_lines, max(2, parser.parse_args().rounds))
    reference = statistics.median(found["PyJWT"])
    missed = 0
    print(f"{'µs for a token':28}{'median':>9}{'half of all':>19}{'of PyJWT':>10}{'bar':>8}")
    for line in all_lines:
        low, median, high = statistics.quantiles(found[line.name], n=4)
        missed += median >= line.bar
        kept = "" if line.bar == float("inf") else f"{line.bar:8.0f}{'  MISSED' if median >= line.bar else ''}"
        print(f"{line.name:28}{median:9.1f}{low:9.1f} – {high:<7.1f}{median / reference:9.2f}{kept}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
