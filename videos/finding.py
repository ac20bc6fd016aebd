"""What somebody found who looked whether all is well."""

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it works, and will not for ever, or not for all
    FAILED = "failed"


class Finding(NamedTuple):
    """One thing that was looked at; ``advice`` says what to do where it is not well."""

    name: str
    verdict: Verdict
    detail: str
    advice: str = ""


def well(name: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(name, Verdict.OK, detail)


def doubtful(name: str, detail: str, advice: str) -> Finding:
    """It works, but."""
    return Finding(name, Verdict.WARNING, detail, advice)


def ill(name: str, detail: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(name, Verdict.FAILED, detail, advice)
