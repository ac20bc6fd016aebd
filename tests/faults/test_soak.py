"""A bad month in a minute: everything breaks at once, again and again, and in the end nothing is lost."""

import os
import sys

import pytest

from tests.faults.trouble import Soak, plan

pytestmark = pytest.mark.faults

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
SEEDS = [int(seed) for seed in os.environ.get("SOAK_SEEDS", "7").split()]


@pytest.mark.parametrize("seed", SEEDS)
def test_x10_nothing_is_lost_and_nothing_left_whatever_breaks(seed, world, capsys):
    report = Soak(world, seed).run(SECONDS)

    with capsys.disabled():
        sys.stdout.write(f"\n{report}\n")
    assert report.violations == []
    assert report.lost == []
    assert report.stale_writes == []
    assert {answer for answer in report.answers if answer.startswith("5")} <= {"503"}


def test_x10_the_same_seed_breaks_the_same_things_again():
    assert plan(7, 60) == plan(7, 60) != plan(8, 60)
