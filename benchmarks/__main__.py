"""``make bench``: everything that can be measured in some minutes, each with its own table, and all figures as JSON.

    python -m benchmarks [--only NAME …] [--json FILE]

What takes longer stands beside it: ``benchmarks.long_audio --hours 10``, ``benchmarks.growth`` with a million rows,
``benchmarks.speech --table``, ``benchmarks.tokens``, ``benchmarks.cold_start``, ``benchmarks.decoding``,
``benchmarks.admin``.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.stacks import HERE

PARTS = {
    "api": ["benchmarks.api"],
    "worker": ["benchmarks.worker", "--rounds", "1"],
    "speech": ["benchmarks.speech", "--rounds", "2"],
    "growth": ["benchmarks.growth", "--sizes", "10000,100000"],
    "crowd": ["benchmarks.crowd"],
    "feeding": ["benchmarks.feeding"],
}


def main() -> None:
    """One part after the other; where one fails, the others are measured all the same."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="these parts alone")
    parser.add_argument("--json", type=Path, metavar="FILE", default=HERE.parent / "dist" / "bench.json")
    options = parser.parse_args()
    began = time.monotonic()
    found: dict[str, object] = {"machine": f"{platform.processor() or platform.machine()}, {platform.platform()}"}
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            print(f"\n=== {name}", flush=True)
            figures = Path(folder, name)
            done = subprocess.run([sys.executable, "-m", *PARTS[name], "--json", str(figures)], check=False)
            if done.returncode:
                failed.append(name)
            if figures.exists():
                found[name] = json.loads(figures.read_text("utf-8"))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(f"\nAll of it in {time.monotonic() - began:.0f} s; the figures are in {options.json}")
    if failed:
        sys.exit(f"Not as it should be: {', '.join(failed)}. What each said stands above.")


if __name__ == "__main__":
    main()
