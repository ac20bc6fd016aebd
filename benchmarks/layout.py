"""Folders as Lambda has them."""

import os
import shutil
from pathlib import Path

ON_LAMBDA_SINCE = 315532800  # 1980-01-01, the time of every file in the zip


def as_on_lambda(tree: Path) -> None:
    """Gives every file the time that it has there."""
    for path in tree.rglob("*"):
        os.utime(path, (ON_LAMBDA_SINCE, ON_LAMBDA_SINCE))


def copy(source: Path, target: Path, pattern: str) -> None:
    """Copies the files and folders of this name."""
    target.mkdir(exist_ok=True)
    for path in source.glob(pattern):
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        else:
            shutil.copy(path, target / path.name)


def size_mb(tree: Path) -> float:
    """Megabytes (10⁶ bytes) of all its files."""
    return sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) / 1e6
