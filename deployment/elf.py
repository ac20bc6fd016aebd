"""What a compiled library needs, as readelf tells it: other libraries, and versions of the C library's symbols."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

# glibc's own, and libgcc_s, without which glibc cannot end a thread: where the one is, there is the other.
C_LIBRARY = frozenset(
    {
        *("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2"),
        *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libgcc_s.so.1"),
    }
)
_MACHINES = {"Advanced Micro Devices X86-64": "x86_64", "AArch64": "aarch64"}


class Library(NamedTuple):
    """``machine`` in the words of ``platform.machine()``; ``glibc`` is the newest version that a symbol asks for.

    ``ways`` is where the loader looks first (RPATH, RUNPATH), with ``$ORIGIN`` as it stands.
    """

    machine: str
    needed: list[str]
    ways: list[str]
    glibc: tuple[int, ...]


def is_library(path: Path) -> bool:
    """Whether the file is an ELF one, whatever it is called."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def read(path: Path) -> Library:
    """Reads the file's tables; raises ``ValueError`` where readelf cannot."""
    command = ["readelf", "--wide", "--file-header", "--dynamic", "--version-info", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
    if done.returncode:
        raise ValueError(f"{path} cannot be read: {done.stderr.strip()}")
    machine = re.search(r"^ *Machine: +(.*?) *$", done.stdout, re.MULTILINE)
    name = machine[1] if machine else ""
    versions = re.findall(r"Name: GLIBC_(\d[\d.]*)", done.stdout)
    return Library(
        _MACHINES.get(name, name),
        re.findall(r"\(NEEDED\).*\[(.*?)\]", done.stdout),
        [way for found in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*?)\]", done.stdout) for way in found.split(":")],
        max((tuple(map(int, version.split("."))) for version in versions), default=(0,)),
    )
