"""A short run of the fuzzer; ``python -m tests.accounts.fuzz`` is the long one."""

import pytest

from accounts import cognito
from tests.accounts import fuzz


@pytest.mark.parametrize("seed", [1, 2])
def test_no_spoiled_header_is_accepted_or_raises_anything_else(seed: int) -> None:
    found = fuzz.run(5_000, seed)

    assert found.surprises == []
    assert found.counts["accepted"] > 100
    assert len(found.counts) > 18  # it reaches nearly every check


def test_it_finds_a_check_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cognito._RS256, "verify", lambda *_: True)

    assert fuzz.run(2_000, 1).surprises
