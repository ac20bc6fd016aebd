"""Takes from a process what it would not have on Lambda: a package that can be written to, and this system's MySQL.

Done with a mount namespace of its own (https://man7.org/linux/man-pages/man7/mount_namespaces.7.html), which needs
root; without root nothing is taken away.
"""

import os
import shutil
from pathlib import Path

CLIENTS = ("libmariadb*", "libmysqlclient*", "mariadb*", "mysql*")  # below the system's folders of libraries
_SCRIPT = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
cd "$1"
shift
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mount -t tmpfs tmpfs "$1"; else mount --bind /dev/null "$1"; fi
    shift
done
shift
exec "$@"
"""


def is_possible() -> bool:
    """Whether anything can be taken away here."""
    return os.geteuid() == 0 and shutil.which("unshare") is not None


def prefix(folder: Path) -> list[str]:
    """What to put in front of a command: it runs in ``folder``, which is read-only, without the system's MySQL."""
    if not is_possible():
        return []
    hidden = [str(path) for path in _clients()]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh", str(folder), *hidden, "--"]


def _clients() -> list[Path]:
    """Links stay as they are: what they lead to is hidden."""
    folders = [Path("/usr/lib"), Path("/usr/local/lib"), *Path("/usr/lib").glob("*-linux-gnu")]
    found = [path for folder in folders for pattern in CLIENTS for path in sorted(folder.glob(pattern))]
    return [path for path in found if not path.is_symlink()]
