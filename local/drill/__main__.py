"""``python -m local.drill``, and ``manage.py drill``: plays disasters, and says which promises held."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from local.drill.scratch import Scratch, wait_for
from local.stack import StackError

EPILOG = "exit codes: 0 every promise held; 1 one was broken, or it could not be played; 2 wrong call; 130 Ctrl-C"


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="manage.py drill",
        description="Plays disasters against a database, a queue and a bucket that it makes and removes, with real "
        "worker processes, and says which promises of docs/reliability.md held. Takes one or two minutes.",
        epilog=EPILOG,
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="Only this disaster; may be repeated.")
    parser.add_argument("--json", action="store_true", help="One JSON document on stdout; all else on stderr.")
    options = parser.parse_args(arguments)
    try:
        with Scratch() as scratch:
            return _play(scratch, options, parser.error)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What the drill had made is gone.", file=sys.stderr)
        return 130


def _play(scratch: Scratch, options: argparse.Namespace, wrong_call: Callable[[str], Any]) -> int:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from local.drill import promises
    from local.drill.disasters import DISASTERS

    scratch.check(settings)
    names = {disaster.__name__: disaster for disaster in DISASTERS}
    if unknown := set(options.only or ()) - names.keys():
        wrong_call(f"there is no disaster {sorted(unknown)[0]!r}: {', '.join(names)}")
    if scratch.database is None:
        names.pop("database_cut")
    out = sys.stderr if options.json else sys.stdout
    call_command("migrate", verbosity=0)
    print(f"On {'MariaDB' if scratch.database else 'SQLite (no MariaDB is installed)'}, queue {scratch.mark}", file=out)
    scratch.start("sweep", "--every", "0.5")
    results = []
    for name in options.only or names:
        begun = time.monotonic()
        faults = _faults_of(scratch, names[name])
        results.append({"disaster": name, "seconds": round(time.monotonic() - begun, 1), "broken": faults})
        told = "BROKEN" if faults else "held"
        print(f"{told:7} {name.replace('_', ' '):28} {results[-1]['seconds']:>6} s", file=out, flush=True)
        for promise, seen in faults:
            print(f"        {promises.PROMISES[promise]}: {seen}", file=out, flush=True)
    held = not any(result["broken"] for result in results)
    if held:
        print("Held: " + "; ".join(promises.PROMISES.values()) + ".", file=out)
    if options.json:
        print(json.dumps({"held": held, "disasters": results}, indent=2))
    return 0 if held else 1


def _faults_of(scratch: Scratch, disaster: Callable[[Scratch], Any]) -> list[tuple[str, str]]:
    from local.drill import promises

    left = ""

    def is_peaceful() -> bool:
        nonlocal left
        left = promises.unrest(scratch.messages())
        return not left

    with scratch.processes_of_its_own():
        try:
            played = disaster(scratch)
            wait_for(is_peaceful, "peace")
        except StackError as error:
            return [("ends", f"{error}{left and ': '}{left}")]
        return promises.broken(played.submitted, played.deleted, messages=scratch.messages())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
