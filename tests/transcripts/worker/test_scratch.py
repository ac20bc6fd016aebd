"""Room on disk for one job, and what is left of it."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from transcripts.worker import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_gone_at_the_end(temporary):
    with scratch.folder() as folder:
        (folder / "audio.webm").write_bytes(b"sound")
        assert list(temporary.iterdir()) != []

    assert list(temporary.iterdir()) == []


def test_what_a_killed_worker_has_left_is_removed(temporary):
    script = (
        "import os, signal, sys; from transcripts.worker import scratch\n"
        "with scratch.folder() as folder:\n"
        "    (folder / 'audio.webm').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(temporary)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(temporary.iterdir()) != []

    assert scratch.tidy() == 1
    assert list(temporary.iterdir()) == []


def test_what_a_worker_is_busy_with_stays(temporary):
    with scratch.folder() as folder:
        (folder / "audio.webm").write_bytes(b"sound")

        assert scratch.tidy() == 0
        assert (folder / "audio.webm").exists()


def test_what_is_not_ours_stays(temporary):
    (temporary / "transcript-notes").mkdir()
    (temporary / "transcript-of-mine.txt").touch()

    assert scratch.tidy() == 0
    assert len(list(temporary.iterdir())) == 2


def test_what_is_half_removed_goes_when_it_is_old(temporary):
    (temporary / "transcript-x" / "job").mkdir(parents=True)
    assert scratch.tidy() == 0

    os.utime(temporary / "transcript-x", (0, 0))

    assert scratch.tidy() == 1
