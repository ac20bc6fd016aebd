"""``python -m tests.guards [RUN …]``: the guards that a build has no time for. A build runs each of them for seconds.

Without a name, all but ``audit``, which needs a network. Ends with 1 where one of them has found something.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
RATES = {"machine": 40, "events": 20_000, "tokens": 600_000}  # what fits into a minute on a small machine


def schema(minutes: float) -> int:
    """schemathesis: every operation of the OpenAPI document as two users, in ways that no run repeats."""
    return _pytest("tests/ytbackend/test_contract.py", "-rP", CONTRACT_SECONDS=int(minutes * 60))


def machine(minutes: float) -> int:
    """What two callers see, whatever they and the workers do; and every bug that this must notice."""
    return _pytest("tests/ytbackend/test_api_machine.py", API_MACHINE_EXAMPLES=int(minutes * RATES["machine"]))


def events(minutes: float) -> int:
    """Broken events of API Gateway, function URLs and load balancers, for Lambda's entry."""
    test = "tests/ytbackend/test_lambda_handler.py::test_a_broken_event_is_answered_or_refused"
    return _pytest(test, BROKEN_EVENTS=int(minutes * RATES["events"]))


def tokens(minutes: float) -> int:
    """Spoiled tokens and headers, for the verifier."""
    return _run(sys.executable, "-m", "tests.accounts.fuzz", "--inputs", str(int(minutes * RATES["tokens"])))


def audit(minutes: float) -> int:
    """pip-audit: known holes in what is deployed. It fails where it could not look, too."""
    found = 0
    for lock in ("requirements.lock", "requirements-worker.lock", "deployment/requirements.lock"):
        sys.stdout.write(f"{lock}:\n")
        sys.stdout.flush()
        found |= _run(sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes", "-r", lock)
    return found


RUNS: dict[str, Callable[[float], int]] = {run.__name__: run for run in (schema, machine, tokens, events, audit)}


def _pytest(*arguments: str, **numbers: int) -> int:
    environment = {name: str(max(1, number)) for name, number in numbers.items()}
    return _run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=0", *arguments, **environment
    )


def _run(*command: str, **environment: str) -> int:
    return int(subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode != 0)


def main() -> int:
    """Runs what is asked for, one after the other."""
    what = "".join(f"  {name:9}{run.__doc__}\n" for name, run in RUNS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.guards",
        description=f"{__doc__}\n{what}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(RUNS))
    parser.add_argument(
        "--minutes", type=float, default=10, metavar="N", help="for each of them (default: %(default)s)"
    )
    asked = parser.parse_args()
    if unknown := [run for run in asked.runs if run not in RUNS]:
        parser.error(f"There is no run {unknown[0]!r}; there are {', '.join(RUNS)}.")
    if asked.minutes <= 0:
        parser.error("--minutes must be more than 0.")
    found = [name for name in asked.runs or [name for name in RUNS if name != "audit"] if RUNS[name](asked.minutes)]
    sys.stdout.write(f"Found something, or could not look: {', '.join(found)}.\n" if found else "Nothing was found.\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
