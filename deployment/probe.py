"""What only the Python that Lambda runs can say of a package; ``inspect_package`` runs this file with it, alone.

    python3.13 -I -S -B probe.py byte-code|imports FOLDER

``-I -S`` and an empty environment: nothing but the standard library and the unpacked package is in reach. Prints a
sentence for each thing that is wrong.
"""

import ctypes
import importlib
import importlib.util
import marshal
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ON_LAMBDA = "/var/task"
PLUGIN = "mysqlclient.libs/plugin/caching_sha2_password.so"
# Invented: the settings ask for them, and nothing here connects to anything.
_VARIABLES = {
    "DJANGO_SECRET_KEY": "invented-for-a-look-at-the-package",
    "DJANGO_ALLOWED_HOSTS": "api.example.com",
    "DATABASE_URL": "mysql://nobody:nothing@127.0.0.1:3306/nowhere",
    "SQS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/nowhere",
    "S3_BUCKET": "nowhere",
    "AWS_REGION": "us-east-1",
}


def byte_code(tree: Path) -> Iterator[str]:
    """Each module has byte code that this Python takes unseen, and that is of its source; none is without one."""
    modules = {path.relative_to(tree) for path in tree.rglob("*.py")}
    for module in sorted(modules):
        cached = Path(importlib.util.cache_from_source(str(tree / module)))
        if not cached.exists():
            yield f"{module} has no byte code: every cold start would compile it."
            continue
        data = cached.read_bytes()
        flags = int.from_bytes(data[4:8], "little")
        if data[:4] != importlib.util.MAGIC_NUMBER:
            yield f"The byte code of {module} is another Python's."
        elif not flags & 0b1:
            yield f"The byte code of {module} is valid by time and not by hash: a zip does not keep times."
        elif flags & 0b10:
            yield f"The byte code of {module} is compared with its source at each import, and not only here."
        elif data[8:16] != importlib.util.source_hash((tree / module).read_bytes()):
            yield f"The byte code of {module} is not of this source."
        elif not (where := marshal.loads(data[16:]).co_filename).startswith(f"{ON_LAMBDA}/"):  # noqa: S302 - just made
            yield f"The byte code of {module} names {where}, a place outside of {ON_LAMBDA}."
    for cached in sorted(tree.rglob("*.pyc")):
        source = importlib.util.source_from_cache(str(cached))
        if Path(source).relative_to(tree) not in modules:
            yield f"{cached.relative_to(tree)} has no source."
        elif importlib.util.cache_from_source(source) != str(cached):
            yield f"{cached.relative_to(tree)} is byte code of another Python."


def imports(tree: Path) -> Iterator[str]:
    """Everything that the API may ever import is there: the entry, Zappa's handler, the driver, our modules."""
    os.environ |= _VARIABLES
    sys.path.append(str(tree))
    ours = [path.relative_to(tree).with_suffix("") for app in _applications(tree) for path in app.rglob("*.py")]
    names = ["ytbackend.lambda_handler", "zappa.handler", "zappa_settings", "storages.backends.s3"]
    names += ["MySQLdb._mysql", "django.db.backends.mysql.base", "django.contrib.admin.sites", "yaml", "cryptography"]
    for name in [*names, *sorted(".".join(path.parts).removesuffix(".__init__") for path in ours)]:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, Lambda would see it too
            yield f"{name} cannot be imported with nothing but the package: {type(error).__name__}: {error}"
    try:
        boto3 = importlib.import_module("boto3")
        for service in ("sqs", "s3", "secretsmanager", "ssm", "sts"):
            boto3.client(service, region_name="us-east-1")
    except Exception as error:  # noqa: BLE001 - whatever it is, it would fail on Lambda as well
        yield f"A client of AWS cannot be made: {type(error).__name__}: {error}"
    places = (str(tree), *(sys.base_prefix, sys.prefix))
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in ("__main__", "__mp_main__") and file and not file.startswith(places):
            yield f"{name} came from {file}, and not from the package."
    yield from plugin(tree)


def plugin(tree: Path) -> Iterator[str]:
    """The plugin for MySQL 8.4's logins can be loaded, and is where the driver has libmariadb look for it."""
    path = tree / PLUGIN
    if os.environ.get("MARIADB_PLUGIN_DIR") != str(path.parent):
        yield f"libmariadb would look for plugins in {os.environ.get('MARIADB_PLUGIN_DIR')}, and not in {path.parent}."
    try:
        loaded = ctypes.CDLL(str(path), os.RTLD_NOW)
        ctypes.c_int.in_dll(loaded, "_mysql_client_plugin_declaration_")
    except (OSError, ValueError) as error:
        yield f"{PLUGIN} cannot be loaded: logins to MySQL 8.4 would fail. {error}"


def _applications(tree: Path) -> list[Path]:
    return [tree / name for name in ("accounts", "transcripts", "videos", "ytbackend")]


def main() -> int:
    """One of the two looks at a folder."""
    look = {"byte-code": byte_code, "imports": imports}[sys.argv[1]]
    wrong = list(look(Path(sys.argv[2]).resolve()))
    for sentence in wrong:
        print(sentence)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
