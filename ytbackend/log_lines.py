"""What becomes a line of the log: always one, without what a terminal would obey, and without what nobody may read.

Titles, links, headers and the texts of exceptions come from strangers. A line break in one would let them write
lines of their own (https://cwe.mitre.org/data/definitions/117.html), an escape sequence would run in whose terminal
shows it, and a bidirectional override would show something else than there is (https://trojansource.codes/).

JSON alone would not do: whoever decodes it has all that back. So what is shown as its escape in a text is so in JSON as
well. (python-json-logger was looked at: what it adds to this is less than what would have to be taken out of it, as it
puts into a line whatever somebody has hung on a record.)
"""

import functools
import json
import logging
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from django.conf import settings

from videos import facts
from ytbackend import request_id, vault

_HIDDEN = (
    # A JWT, also a part of one that was cut off; the first two letters of its header are always these.
    (re.compile(r"\beyJ[\w-]{10,}(\.[\w-]*)*(…|\.\.\.)?"), "[token]"),
    # An API key, also a part of one; what of it is shown on purpose is shorter (api_key_text.SHOWN_CHARACTERS).
    (re.compile(r"shri_[0-9A-Za-z]{10,}(…|\.\.\.)?"), "[key]"),
    (re.compile(r"(?i)\b(set-cookie|cookie)(['\"]?\s*[:=]\s*['\"]?)[^'\"\n]+"), r"\1\2[hidden]"),
    (re.compile(r"(?i)\b(authorization|x-api-key)(['\"]?\s*[:=]\s*['\"]?)[^'\",\n]+"), r"\1\2[hidden]"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/-]{16,}=*"), r"\1\2[hidden]"),
    (re.compile(r"(?i)\b(password|passwd|secret|token|signature|x-amz-[\w-]+)=[^\s&'\",)]+"), r"\1=[hidden]"),
    (re.compile(r"(\w://)[^\s/@'\"]+@"), r"\1[hidden]@"),
    (re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63})+"), "[e-mail]"),
)
_LEAST_SECRET = 6  # characters; shorter ones are words that stand everywhere
_LONGEST_LINE = 16_000  # characters. CloudWatch takes 1 MB, but nobody reads a title of that size


def configuration(*, shape: str, level: str, metrics: bool) -> dict[str, Any]:
    """Python's logging for every program of ours: ``shape`` is ``text`` or ``json``; metrics are lines of their own."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "ytbackend.log_lines.LineFormatter"},
            "json": {"()": "ytbackend.log_lines.JsonFormatter"},
            "metrics": {"()": "ytbackend.log_lines.MetricFormatter"},
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": shape},
            "metrics": {"class": "logging.StreamHandler" if metrics else "logging.NullHandler", "formatter": "metrics"},
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            **{name: {"level": "WARNING"} for name in ("botocore", "boto3", "faster_whisper", "urllib3")},
            # Not by LOG_LEVEL: whoever wants to read less may still count.
            "metrics": {"handlers": ["metrics"], "propagate": False, "level": "INFO" if metrics else "CRITICAL"},
            # Django's own handlers write other lines, and mail them.
            **{name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
            "django.db.backends": {"level": "INFO"},  # below that it tells every value of every statement
            "django.request": {"level": "ERROR"},  # a caller's mistake is no news
            "django.utils.autoreload": {"level": "WARNING"},
        },
    }


class LineFormatter(logging.Formatter):
    """``asctime LEVEL name [request id]: message`` and the stack, as one line."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}{request}: {message}", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """The line without the stack."""
        known = request_id.current()
        record.request = f" [{known}]" if known else ""
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return one_line(without_secrets(super().format(record)))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, and what ``facts`` knows.

    A stack is ``exception`` (or ``stack``, where nothing was raised), the only value with line breaks.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, str | int] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **facts.current(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return _document(line)


class MetricFormatter(logging.Formatter):
    """A document of ``videos.metrics``, whose texts keep the same rules."""

    def format(self, record: logging.LogRecord) -> str:
        """The line: nothing but the document, or CloudWatch would not take it for one."""
        return _document(cast(dict[str, Any], record.msg))


def _document(line: Mapping[str, Any]) -> str:
    secrets = _own_secrets()
    return json.dumps({name: _told(name, value, secrets) for name, value in line.items()}, ensure_ascii=False)


def _told(name: str, value: Any, secrets: tuple[str, ...]) -> Any:
    if not isinstance(value, str):
        return value
    text = _hidden_in_short(value, secrets) if len(value) <= _SHORT else _hidden_in(value, secrets)
    if name in ("exception", "stack"):  # the last lines say what went wrong
        return "\n".join(map(one_line, text[-_LONGEST_LINE:].splitlines()))
    return one_line(text)


def without_secrets(text: str) -> str:
    """Tokens, passwords and e-mail addresses are taken out; so is each secret of this process, wherever it stands."""
    return _hidden_in(text, _own_secrets())


def _hidden_in(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "[hidden]")
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


# Names, routes, states and codes: nearly all that metrics consist of.
_SHORT = 64
_hidden_in_short = functools.lru_cache(maxsize=1024)(_hidden_in)


def one_line(text: str) -> str:
    r"""Control, format and separator characters as their escapes, such as ``\n`` and ``\u202e``."""
    if len(text) > _LONGEST_LINE:
        half = _LONGEST_LINE // 2  # a stack ends with what went wrong
        text = f"{text[:half]} […{len(text) - 2 * half} characters…] {text[-half:]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(letter) for letter in text)


def _shown(letter: str) -> str:
    # Other, line separator, paragraph separator (https://www.unicode.org/reports/tr44/#General_Category_Values).
    if unicodedata.category(letter)[0] == "C" or letter in "\u2028\u2029":
        return letter.encode("unicode_escape").decode("ascii")
    return letter


def _own_secrets() -> tuple[str, ...]:
    if not settings.configured:
        return ()
    held = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, settings.DATABASES["default"].get("PASSWORD")]
    # Those that stand in for a secret of AWS are not asked: a line of the log must not depend on the network.
    known = {*vault.remembered(), *(text for text in held if isinstance(text, str))}
    return tuple(sorted((text for text in known if len(text) >= _LEAST_SECRET), key=lambda text: (-len(text), text)))
