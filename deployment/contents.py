"""What the package holds: the pinned dependencies without what the API never uses on Lambda, and our own applications.

``LEFT_OUT`` says what each rule saves of 37.4 MB zipped. What is left is imported by ``deployment.inspect_package``, so
that a rule that takes too much is found before anything is deployed.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
APPLICATIONS = ("accounts", "transcripts", "videos", "ytbackend")
# Of what zappa asks for, its handler imports these; with the rest it deploys. So deployment.lock takes only these.
NEEDED_BY_ZAPPAS_HANDLER = ("durationpy", "werkzeug")
AWS_SERVICES = ("s3", "secretsmanager", "sqs", "ssm", "sts")  # files, secrets, queue, and whose credentials these are
_COMMANDS_OF_THE_WORKER = {
    Path(f"transcripts/management/commands/{name}.py") for name in ("check_youtube", "run_worker")
}


class Rule(NamedTuple):
    """Files and folders to leave out: patterns of ``Path.glob`` below the folder of the dependencies."""

    why: str
    patterns: tuple[str, ...]
    but: str = r"(?!)"  # a regular expression: what stays all the same


LEFT_OUT = (
    Rule(
        "AWS services that nobody here calls: 15.3 MB",
        ("botocore/data/*/*", "boto3/data/*/*", "boto3/examples"),
        rf"\w+/data/({'|'.join(AWS_SERVICES)})/.*",
    ),
    Rule("languages but English, as USE_I18N is off: 5.7 MB", ("**/locale/*",), r".*/locale/(en|__init__\.py)"),
    Rule("a second page of docs, as /docs is Swagger UI: 1.3 MB", ("drf_spectacular_sidecar/static/*/redoc",)),
    Rule("what browsers' tools read beside a script: 0.9 MB", ("**/*.map",)),
    Rule("pages of an API that answers JSON: 0.5 MB", ("rest_framework/static", "rest_framework/templates")),
    # REST framework does without the second one.
    Rule("maps and PostgreSQL: 0.6 MB", ("django/contrib/gis", "django/contrib/postgres")),
    Rule("what YAML is read faster with, where it is written once: 0.8 MB", ("yaml/_yaml*.so",)),
    Rule("what compiles C for cryptography, of which its library alone is needed: 0.4 MB", ("cffi", "pycparser")),
    Rule("checks of openapi.yaml: 0.5 MB", ("jsonschema*", "referencing*", "rpds*", "attr*")),
    Rule(
        "how Sentry watches what is not here: 1 MB",
        ("sentry_sdk/integrations/*",),
        r"\w+/integrations/(_.*|atexit|dedupe|excepthook|logging)\.py",  # see ytbackend/error_reports.py
    ),
    # django.test stays, because drf-spectacular imports it through rest_framework.test.
    Rule("tests: 0.1 MB", ("**/tests", "**/tests.py", "**/test_*.py")),
    Rule("what zappa deploys with: 0.1 MB", ("zappa/cli.py", "zappa/core.py", "zappa/letsencrypt.py")),
    Rule(
        "notes and programs of the installation: 0.3 MB. Versions and licences stay",
        ("bin", "*.dist-info/*"),
        r".*/(METADATA|entry_points\.txt|licenses|LICEN[CS]E.*|sboms)",
    ),
)


def leave_out(tree: Path) -> None:
    """Removes what ``LEFT_OUT`` names from the dependencies; a rule that finds nothing any more is an error."""
    for rule in LEFT_OUT:
        found = [path for pattern in rule.patterns for path in sorted(tree.glob(pattern))]
        found = [path for path in found if not re.fullmatch(rule.but, path.relative_to(tree).as_posix())]
        if not found:
            raise SystemExit(f"Nothing was left out by the rule {rule.why!r}: take it out of LEFT_OUT, or mend it.")
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def own_files() -> Iterator[Path]:
    """Our part of the package, relative to ``ROOT``: the applications without the worker and its commands."""
    for application in APPLICATIONS:
        for path in sorted((ROOT / application).rglob("*")):
            relative = path.relative_to(ROOT)
            if path.is_file() and not _stays_at_home(relative):
                yield relative


def _stays_at_home(path: Path) -> bool:
    return (
        "__pycache__" in path.parts
        or path.is_relative_to("transcripts/worker")
        or path in _COMMANDS_OF_THE_WORKER
        or path.suffix not in (".py", ".pem", ".html", ".css", ".js", ".json", ".svg")
    )
