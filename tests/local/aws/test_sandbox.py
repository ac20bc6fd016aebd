"""What a process does not have that it would not have on Lambda."""

import ctypes.util
import subprocess
import sys

import pytest

from local.aws import sandbox

pytestmark = pytest.mark.skipif(not sandbox.is_possible(), reason="a mount namespace needs root")


def confined(folder, code: str) -> str:
    done = subprocess.run(
        [*sandbox.prefix(folder), sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_its_package_cannot_be_written_to(tmp_path):
    (tmp_path / "code.py").write_text("")

    assert "Read-only file system" in confined(tmp_path, "open('code.py', 'a')")
    (tmp_path / "code.py").write_text("others still can")


def test_the_systems_client_of_mysql_is_not_there(tmp_path):
    library = ctypes.util.find_library("mariadb")
    if library is None:
        pytest.skip("there is none here")

    ctypes.CDLL(library)
    assert "file too short" in confined(tmp_path, f"import ctypes; ctypes.CDLL('{library}')")


def test_it_keeps_its_id(tmp_path):
    with subprocess.Popen(
        [*sandbox.prefix(tmp_path), sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE
    ) as process:
        assert int(process.stdout.read()) == process.pid
