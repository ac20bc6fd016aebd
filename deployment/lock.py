"""``python -m deployment.lock`` writes down every file that may be installed where something is deployed, by its hash.

What is installed are the pins of requirements and constraints, and what they pull in; what is accepted are the files
that the package index has for these versions: pip refuses every other (``--require-hashes``,
https://pip.pypa.io/en/stable/topics/secure-installs/). Run it whenever a pin has changed; it takes some minutes.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployment.contents import NEEDED_BY_ZAPPAS_HANDLER, ROOT

LAMBDA, WORKER = "requirements.lock", "requirements-worker.lock"
DRIVER = "requirements-build.lock"  # what compiles the database's driver where the worker is installed
TOOLS = "deployment/requirements.lock"  # what builds the package
LOCKS = (LAMBDA, WORKER, DRIVER, TOOLS)

# For which what is pulled in is the same; a marker such as `python_version < "3.12"` would be asked for the last.
_PYTHON = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux", "os_name": "posix"}
_BLOCK = re.compile(r"^([\w.-]+)==(?:.*\\\n)*.*\n", re.MULTILINE)
_HEADER = """\
# Written by `python -m deployment.lock`, from the requirements and constraints beside it: not to be edited.
# pip installs these versions alone, and of them only these files.
"""


def pins(*pages: str) -> dict[str, str]:
    """The versions that these files pin, by the names that pip compares."""
    lines = [line.partition("#")[0].strip() for page in pages for line in (ROOT / page).read_text("utf-8").splitlines()]
    found = [re.fullmatch(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", line) for line in lines]
    return {canonicalize_name(match[1]): match[2] for match in found if match}


def wanted() -> dict[str, dict[str, str]]:
    """For each lock the versions that belong into it.

    Ends the program where the environment that this runs in (``requirements-dev.txt``) has other versions, because
    what a version pulls in is read there.
    """
    api, worker, tools = (pins(page) for page in ("requirements.txt", "requirements-worker.txt", _beside(TOOLS)))
    alone = {canonicalize_name(name) for name in ("zappa",)}  # its handler needs little of what zappa deploys with
    return {
        LAMBDA: _with_what_they_pull_in([*api, *NEEDED_BY_ZAPPAS_HANDLER], but=alone),
        WORKER: _with_what_they_pull_in([*(name for name in api if name not in alone), *worker]),
        DRIVER: {name: tools[name] for name in ("setuptools",)},
        TOOLS: _with_what_they_pull_in(["zappa"]) | tools,
    }


def _beside(lock: str) -> str:
    return lock.removesuffix(".lock") + ".txt"


def _with_what_they_pull_in(names: Iterable[str], *, but: Iterable[str] = ()) -> dict[str, str]:
    exact = pins("constraints.txt", "requirements.txt", "requirements-worker.txt")
    found: dict[str, str] = {}
    queue = [(canonicalize_name(name), "") for name in names]
    seen = set()
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        distribution = metadata.distribution(name)
        if exact.get(name) != distribution.version:
            raise SystemExit(
                f"{name} is pinned as {exact.get(name)}, but {distribution.version} is installed here. Pin it in "
                "constraints.txt, and install requirements-dev.txt, before you lock it."
            )
        found[name] = distribution.version
        for line in () if name in but else distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({**_PYTHON, "extra": extra}):
                queue += [(canonicalize_name(requirement.name), each) for each in ("", *requirement.extras)]
    return found


def locked(page: str) -> dict[str, str]:
    """What a lock says about each name: its pin and hashes, as pip reads them."""
    return _blocks((ROOT / page).read_text("utf-8"))


def _blocks(text: str) -> dict[str, str]:
    return {canonicalize_name(match[1]): match[0] for match in _BLOCK.finditer(text)}


def write(versions: Mapping[str, str], hashes: Mapping[str, str], page: str) -> None:
    """Writes one lock."""
    (ROOT / page).write_text(_HEADER + "".join(hashes[name] for name in sorted(versions)), "utf-8")


def hashes_of(versions: Mapping[str, str]) -> dict[str, str]:
    """Asks the index that pip is configured for. Ends the program where it cannot be asked."""
    with tempfile.TemporaryDirectory(prefix="lock-") as folder:
        asked, answer = Path(folder, "asked.in"), Path(folder, "answer.txt")
        asked.write_text("".join(f"{name}=={version}\n" for name, version in sorted(versions.items())), "utf-8")
        silent = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-trusted-host"]
        command = [sys.executable, "-m", "piptools", "compile", "--generate-hashes", "--allow-unsafe", *silent]
        command += [
            "--no-emit-find-links",
            "--no-emit-options",
            "--strip-extras",
            f"--output-file={answer}",
            str(asked),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"The index could not be asked for its hashes.\n{done.stderr.strip()[-2000:]}")
        found = _blocks(answer.read_text("utf-8"))
    if extra := sorted(found.keys() - versions.keys()):
        raise SystemExit(f"These are pulled in too, and nothing says which version: {', '.join(extra)}.")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes all locks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    locks = wanted()
    every = {name: version for versions in locks.values() for name, version in versions.items()}
    print(f"Asking for the hashes of {len(every)} versions …", flush=True)
    hashes = hashes_of(every)
    for page, versions in locks.items():
        write(versions, hashes, page)
        print(f"{page}: {len(versions)} versions")


if __name__ == "__main__":
    main()
