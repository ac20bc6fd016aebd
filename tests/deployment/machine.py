"""A machine to throw away: this one's files under an overlay in memory, with a systemd of its own (systemd-nspawn).

Nothing that is done in it is left anywhere. It shares the network, so that it sees what listens on loopback.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

# In a mount namespace of its own: the kernel takes all of it away with the last process.
_BOOT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
rm -f "$1"/root/etc/systemd/system/multi-user.target.wants/* "$1"/root/etc/systemd/system/timers.target.wants/*
root=$1
shift
exec systemd-nspawn --quiet --register=no --keep-unit --directory="$root/root" "$@" --boot -- --unit=basic.target
"""


def cannot_be_had() -> str:
    """Why there can be no such machine here; empty where there can."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn is not here (Debian: apt-get install systemd-container)"
    return ""


class Machine:
    """Boots between ``with`` and its end. ``shared`` maps folders in it to folders of ours, which it can only read."""

    def __init__(self, folder: Path, shared: Mapping[str, Path]) -> None:
        self._folder = folder
        self._log = folder.parent / "boot.log"
        self._shared = [f"--bind-ro={ours}:{theirs}" for theirs, ours in shared.items()]

    def __enter__(self) -> Self:
        self._folder.mkdir()
        command = ["unshare", "--mount", "--propagation=private", "sh", "-c", _BOOT, "sh", str(self._folder)]
        with self._log.open("wb") as log:
            self._nspawn = subprocess.Popen(
                [*command, *self._shared], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait_until_booted()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._nspawn.send_signal(signal.SIGTERM)
        try:
            self._nspawn.wait(20)
        except subprocess.TimeoutExpired:
            for pid in [*self._children(), self._nspawn.pid]:
                os.kill(pid, signal.SIGKILL)
            self._nspawn.wait()

    def run(self, *command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as its root, with ``text`` as standard input, to the end."""
        inside = ["nsenter", "--all", f"--target={self._children()[0]}", "env", "-i", "HOME=/root", "LANG=C.UTF-8"]
        inside.append("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        return subprocess.run([*inside, *command], input=text, capture_output=True, text=True, check=False, timeout=240)

    def says(self, *command: str | Path) -> str:
        """What the command writes; it must not fail."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def _children(self) -> list[int]:
        page = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        return [int(pid) for pid in page.read_text().split()]

    def _wait_until_booted(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self._nspawn.poll() is None:
            if self._children() and self.run("systemctl", "is-system-running").stdout.strip() in (
                "running",
                "degraded",
            ):
                return
            time.sleep(0.2)
        pytest.fail(f"the machine does not boot:\n{self._log.read_text(errors='replace')[-2000:]}")
