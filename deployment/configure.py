"""``python -m deployment.configure STACK``: settings of one account from what its infrastructure answers.

Writes ``dist/zappa_settings.json``, from ``zappa_settings.json`` whose ``${Name}`` are outputs of the stack, and
``dist/worker.env``. Both hold secrets: they are readable by their owner alone, and git ignores them.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deployment.stack import Refused, Stack

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "zappa_settings.json"
STAGE = "default"
# Bytes of all names and values: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_VARIABLES = 4096
# Names in zappa_settings.json that are no outputs: whoever may look at the stack reads those, and they are never empty.
COMPUTED = {
    "DatabaseUrl": Stack.database_url,
    "DjangoSecretKey": Stack.django_secret_key,
    "CognitoJwks": Stack.key_set,
    "SignInPage": Stack.sign_in_page,
}

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_PLAIN = re.compile(r"[\w./:@%?=,+-]*", re.ASCII)  # needs no quotes, neither for a shell nor for systemd


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns 1 after a sentence on stderr where something is missing; then nothing is written."""
    options = _parser().parse_args(arguments)
    try:
        stack = Stack(options.stack, options.region)
        settings = zappa_settings(SETTINGS.read_text(encoding="utf-8"), stack, api_id=options.api_id)
        environment = worker_environment(stack)
    except Refused as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    texts = {
        options.to / "zappa_settings.json": json.dumps(settings, indent=2) + "\n",
        options.to / "worker.env": environment,
    }
    for path, text in texts.items():
        state = "is as it was" if path.exists() and path.read_text(encoding="utf-8") == text else "written"
        write_private(path, text)
        sys.stdout.write(f"{path}: {state}\n")
    return 0


def zappa_settings(template: str, stack: Stack, *, api_id: str | None = None) -> dict[str, Any]:
    """The settings with every ``${Name}`` filled in. Raises ``Refused``."""
    settings: dict[str, Any] = json.loads(template)
    values = {name: _value(name, stack) for name in sorted(placeholders(template))}
    if api_id:
        own = [host for host in values["AllowedHosts"].split(",") if ".execute-api." not in host]
        values["AllowedHosts"] = ",".join([f"{api_id}.execute-api.{_domain(values['AllowedHosts'])}", *own])
    filled: dict[str, Any] = _filled(settings, values)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in _variables(filled).items())
    if size > MAX_VARIABLES:
        raise Refused(
            f"The function's variables have {size} bytes, and Lambda takes {MAX_VARIABLES}. The longest are "
            f"{', '.join(sorted(_variables(filled), key=lambda name: -len(_variables(filled)[name]))[:3])}."
        )
    return filled


def placeholders(template: str) -> set[str]:
    """The names that stand in a settings file as ``${Name}``."""
    return set(_PLACEHOLDER.findall(template))


def worker_environment(stack: Stack) -> str:
    """The worker's environment file, one NAME=value a line, for systemd and for a shell. Raises ``Refused``."""
    variables = stack.worker_variables() | {
        "DATABASE_URL": stack.database_url(),
        # Django wants one. A worker signs nothing, and must not know what signs the admin's sessions.
        "DJANGO_SECRET_KEY": hashlib.sha256(f"worker {stack.django_secret_key()}".encode()).hexdigest(),
    }
    if proxy := stack.proxy_url():
        variables["YOUTUBE_PROXY_URL"] = proxy
    return "".join(f"{name}={_quoted(name, value)}\n" for name, value in sorted(variables.items()))


def write_private(path: Path, text: str) -> None:
    """Puts a file in place as a whole, readable by its owner alone from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _value(name: str, stack: Stack) -> str:
    return COMPUTED[name](stack) if name in COMPUTED else stack.output(name)


def _filled(part: Any, values: Mapping[str, str]) -> Any:
    if isinstance(part, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]], part)
    if isinstance(part, list):
        return [_filled(item, values) for item in part]
    if isinstance(part, dict):
        return {name: _filled(item, values) for name, item in part.items()}
    return part


def _variables(settings: dict[str, Any]) -> dict[str, str]:
    variables: dict[str, str] = settings[STAGE]["aws_environment_variables"]
    return variables


def _domain(hosts: str) -> str:
    """The region's part of an address such as ``abc.execute-api.eu-central-1.amazonaws.com``."""
    return next((host.partition(".execute-api.")[2] for host in hosts.split(",") if ".execute-api." in host), "")


def _quoted(name: str, value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if "'" in value or "\n" in value or "\\" in value:
        raise Refused(
            f"{name} has a quote, a backslash or a line break. An environment file takes none: percent-encode."
        )
    return f"'{value}'"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deployment.configure",
        description="Writes dist/zappa_settings.json and dist/worker.env from the outputs and secrets of a stack that "
        "infrastructure.yaml made. Safe to repeat; writes nothing where anything is missing.",
        epilog="Example: python -m deployment.configure yt-backend --region eu-central-1 && "
        "zappa update default -s dist/zappa_settings.json -z dist/yt-backend.zip. docs/deploy.md tells the whole way. "
        "Credentials are boto3's: AWS_PROFILE, aws sso login, or variables. Both files hold secrets.",
    )
    parser.add_argument("stack", metavar="STACK", help="the name of the CloudFormation stack, such as yt-backend")
    parser.add_argument("--region", help="where the stack is, unless AWS_REGION or the profile says so")
    parser.add_argument(
        "--api-id",
        metavar="ID",
        help="the id of the API that zappa made, so that only its own host name is allowed; not needed once the stack "
        "has the parameter ApiId",
    )
    parser.add_argument(
        "--to", type=Path, default=ROOT / "dist", metavar="FOLDER", help="where the files go (default: dist)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
