"""``python -m tests.faults.soak --seconds 600 --seeds 7 8`` does to the service, for so long, what a bad month does."""

import argparse
import os
import sys

import pytest


def main() -> int:
    """Runs the test of this name for as long, and with the seeds, that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seeds", "--seed", type=int, nargs="+", default=[1])
    asked = parser.parse_args()
    os.environ |= {"SOAK_SECONDS": str(asked.seconds), "SOAK_SEEDS": " ".join(map(str, asked.seeds))}
    limit = f"--timeout={int(asked.seconds) + 600}"
    return pytest.main(["--faults", "-q", "-p", "no:cacheprovider", limit, "tests/faults/test_soak.py"])


if __name__ == "__main__":
    sys.exit(main())
