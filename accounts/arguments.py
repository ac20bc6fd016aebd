"""What operators type behind a command: lengths of time, rates, ids."""

import re
import uuid
from argparse import ArgumentTypeError
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d{1,7})\s*([smhdw])", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}", re.ASCII)
_RATE = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)\s*/\s*(s|m|h)", re.ASCII)


def age(text: str) -> timedelta:
    """``90s``, ``15m``, ``12h``, ``7d`` or ``2w``."""
    match = _LENGTH.fullmatch(text.strip().lower())
    if match is None:
        raise ArgumentTypeError(f"{text!r} is no length of time: write it like 90s, 15m, 12h, 7d or 2w")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def rate(text: str) -> float:
    """``50/s``, ``600/m`` or ``1000/h``, as so many a second."""
    match = _RATE.fullmatch(text.strip().lower())
    if match is None or not float(match[1]):
        raise ArgumentTypeError(f"{text!r} is no rate: write it like 50/s, 600/m or 1000/h")
    return float(match[1]) / _SECONDS[match[2]]


def language(text: str) -> str:
    """A BCP 47 tag."""
    if not _LANGUAGE.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no language tag: write it like en, pt-BR or zh-Hant")
    return text


def number(text: str) -> int:
    """A whole number above 0."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:10]) < 1_000_000_000:
        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def seconds(text: str) -> float:
    """A time to wait."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e6:
        raise ArgumentTypeError("it must be a number of seconds above 0")
    return value


def video_id(text: str) -> uuid.UUID:
    """The id of a video."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no id of a video: ids are UUIDs") from None
