"""schemathesis over the whole OpenAPI document, as two users who are signed in.

https://schemathesis.readthedocs.io/en/stable/guides/object-level-authorization/
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.tokens import ALICE, BOB, id_token

ROOT = Path(__file__).parents[2]

# What does not fit the document is refused by one of these: also by a bound that the document does not say.
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422", "429", "431"]
# All checks but one: that what fits the schema is accepted. A schema does not say what a link to a video is.
LEFT_OUT = ("positive_data_acceptance",)


class Findings(NamedTuple):
    """What a run says about the API, and how much it has tried."""

    passed: bool
    text: str

    def number(self, pattern: str) -> int:
        """The number that the pattern's group finds."""
        found = re.search(pattern, self.text)
        assert found, f"{pattern} is not in:\n{self.text}"
        return int(found[1])


def run(address: str, folder: Path, *, examples: int, seconds: int = 0, only: str = "", phases: str = "") -> Findings:
    """Tries the operations of the service at this address; ``folder`` is for the run's own files.

    With ``seconds`` it goes on for as long, and other ways each time. ``only``: addresses that match.
    """
    users = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {id_token(sub)}"}]}
        for name, sub in (("alice", ALICE), ("bob", BOB))
    ]
    (folder / "users.json").write_text(json.dumps({"auth": users}))
    (folder / "schemathesis.toml").write_text(f"""\
hooks = "tests.guards.hooks"
cache.enabled = false
[checks]
negative_data_rejection.expected-statuses = {json.dumps(REFUSED)}
[auth.wfc]
path = {json.dumps(str(folder / "users.json"))}
peers = ["alice", "bob"]
""")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml"), "run"]
    command += [f"{address}/schema?format=json", f"--url={address}", "--no-color"]
    command += ["--checks=all", f"--exclude-checks={','.join(LEFT_OUT)}", f"--max-examples={examples}"]
    command += [f"--max-time={seconds}", "--generation-database=none"] if seconds else ["--generation-deterministic"]
    command += [f"--include-path-regex={only}"] if only else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Findings(done.returncode == 0, done.stdout + done.stderr)
