"""mysqlclient as a wheel that needs nothing of the machine it runs on but glibc.

On Lambda there is neither libmariadb nor the folder where it looks for authentication plugins, and
``caching_sha2_password``, MySQL 8.4's default, is such a plugin. So the wheel carries the libraries (auditwheel), the
plugins, and one line that tells libmariadb where they lie.

https://mariadb.com/kb/en/authentication-plugin-sha-256/
https://dev.mysql.com/doc/refman/8.4/en/caching-sha2-pluggable-authentication.html
https://peps.python.org/pep-0600/ (manylinux_2_34: glibc 2.34, which Amazon Linux 2023 has)
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from deployment import elf
from deployment.interpreter import Interpreter

LIBRARIES = "mysqlclient.libs"
PLUGINS = f"{LIBRARIES}/plugin"
# What MySQL 8.4 may ask for: its default, and what it replaced. Without TLS nothing sends a password as it is:
# mysql_clear_password stays out.
WANTED_PLUGINS = ("caching_sha2_password.so", "sha256_password.so")
_LINKED = ("libmariadb.so.3", "libssl.so.3", "libcrypto.so.3", "libz.so.1")

# libmariadb asks this variable for the folder of its plugins, when it first connects; who sets it wins.
_FIND_PLUGINS = """\
import os as _os

_os.environ.setdefault(
    "MARIADB_PLUGIN_DIR",
    _os.path.join(_os.path.dirname(_os.path.dirname(_os.path.abspath(__file__))), "{plugins}"),
)
del _os
"""

_INSTALL = (
    "To compile mysqlclient, a C compiler and the client library of MariaDB are needed. On Debian 12 or Ubuntu 22.04: "
    "apt-get install build-essential pkg-config libmariadb-dev"
)


def shipped() -> list[Path]:
    """The libraries and plugins of this machine that go into the wheel; ends the program where they are not there."""
    if not (shutil.which("cc") and shutil.which("strip") and shutil.which("mariadb_config")):
        raise SystemExit(_INSTALL)
    return [*map(_library, _LINKED), *_plugin_files()]


def fingerprint() -> str:
    """Of the compiler, and of what is shipped of this machine."""
    files = shipped()
    digest = hashlib.sha256(_output("cc", "--version").encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


# What tells pip where to fetch from, and by which way.
_FETCHING = r"PIP_\w+|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"


def build(locked: str, interpreter: Interpreter, tools: Path, cache: Path) -> Path:
    """The wheel of mysqlclient as it is locked; made where ``cache`` does not have it for the same inputs.

    ``tools`` is the folder of programs of an environment that has ``deployment.lock.TOOLS``.
    """
    inputs = (locked, interpreter.version, interpreter.machine, fingerprint(), tools.parent.name, _read(__file__))
    folder = cache / f"mysqlclient-{hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="driver-") as work:
            made = _build(locked, interpreter, tools, Path(work))
            made.parent.rename(folder)  # all or nothing
    return next(folder.glob("*.whl"))


def _build(locked: str, interpreter: Interpreter, tools: Path, work: Path) -> Path:
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", str(work)),  # pip's configuration
        "TMPDIR": str(work),
        "SOURCE_DATE_EPOCH": "315532800",  # 1980, the first year of zip
        "PYTHONHASHSEED": "0",
        # The same bytes wherever it is built: no path of this machine, no assertion that names one, no notes for gdb.
        "CFLAGS": f"-g0 -O2 -DNDEBUG -ffile-prefix-map={work}=. -ffile-prefix-map={interpreter.prefix}=.",
        "LDFLAGS": "-Wl,--build-id=none -Wl,--strip-all",
    } | {name: value for name, value in os.environ.items() if re.fullmatch(_FETCHING, name, re.IGNORECASE)}
    wheel = ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-cache-dir"]
    wheel += ["--no-build-isolation", "--no-binary=mysqlclient", f"--wheel-dir={work}/raw", "--require-hashes"]
    (work / "locked.txt").write_text(locked, "utf-8")
    wheel += [f"--requirement={work}/locked.txt"]
    _run([tools / "python", *wheel], environment, "mysqlclient could not be compiled.", _INSTALL)
    repair = ["repair", "--plat", f"manylinux_2_34_{interpreter.machine}", "--wheel-dir", str(work / "repaired")]
    _run(
        [tools / "auditwheel", *repair, *(work / "raw").iterdir()], environment,
        "The driver cannot be made to run on Lambda.",
        "If the C library of this machine is newer than 2.34, build where it is not newer than Debian 12's.",
    )  # fmt: skip
    _run([tools / "wheel", "unpack", "--dest", work / "tree", *(work / "repaired").iterdir()], environment)
    tree = next((work / "tree").iterdir())
    _add_plugins(tree)
    _bring_along(tree, environment)
    for source in tree.rglob("*.c"):
        source.unlink()
    package = tree / "MySQLdb" / "__init__.py"
    package.write_text(_after_docstring(package.read_text("utf-8"), _FIND_PLUGINS.format(plugins=PLUGINS)), "utf-8")
    (work / "done").mkdir()
    _run([tools / "wheel", "pack", "--dest-dir", work / "done", tree], environment)
    return next((work / "done").iterdir())


def _add_plugins(tree: Path) -> None:
    """Puts the plugins beside the libraries; auditwheel knows nothing of what is loaded by name."""
    (tree / PLUGINS).mkdir()
    for plugin in _plugin_files():
        shutil.copyfile(plugin, tree / PLUGINS / plugin.name)


def _bring_along(tree: Path, environment: Mapping[str, str]) -> None:
    """Brings every library that is still missing, under a name that no other copy in the process can have."""
    folder = tree / LIBRARIES
    there = {re.sub(r"-[0-9a-f]{8}(?=\.so)", "", path.name): path.name for path in folder.glob("*.so*")}
    queue = sorted(tree.rglob("*.so*"))
    while queue:
        path = queue.pop(0)
        path.chmod(0o755)
        for name in elf.read(path).needed:
            if name in elf.C_LIBRARY or name in there.values():
                continue
            if name not in there:
                source = _library(name)
                stem, _, rest = name.partition(".so")
                there[name] = f"{stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:8]}.so{rest}"
                shutil.copyfile(source, folder / there[name])
                _run(["patchelf", "--set-soname", there[name], folder / there[name]], environment)
                queue.append(folder / there[name])
            _run(["patchelf", "--replace-needed", name, there[name], path], environment)
        if folder in path.parents:
            way = "$ORIGIN" if path.parent == folder else "$ORIGIN/.."
            _run(["patchelf", "--set-rpath", way, path], environment)
        _run(["strip", "--strip-unneeded", path], environment)


def _plugin_files() -> list[Path]:
    folder = Path(_output("mariadb_config", "--plugindir").strip())
    files = [folder / name for name in WANTED_PLUGINS]
    if missing := [str(path) for path in files if not path.is_file()]:
        raise SystemExit(f"MariaDB's client plugins are not here: {', '.join(missing)}. {_INSTALL}")
    return files


def _library(name: str) -> Path:
    """Where the compiler finds a library of this machine."""
    found = Path(_output("cc", f"-print-file-name={name}").strip())
    if not found.is_absolute():
        raise SystemExit(f"{name} is not here. {_INSTALL}")
    return found.resolve()


def _after_docstring(source: str, lines: str) -> str:
    """Puts lines where the first statement begins, so that the docstring stays one."""
    docstring = re.match(r'\s*""".*?"""\s*', source, re.DOTALL)
    start = docstring.end() if docstring else 0
    return f"{source[:start]}{lines}\n{source[start:]}"


def _read(path: str | Path) -> str:
    return Path(path).read_text("utf-8")


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _run(command: Iterable[str | Path], environment: Mapping[str, str], *what: str) -> None:
    done = subprocess.run(
        [str(part) for part in command], env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()[-3000:]
        raise SystemExit("\n".join([*(what or [f"{command} failed."]), said]))
