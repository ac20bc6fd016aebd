"""Reading the environment strictly: a value that cannot be understood stops the program by name.

``bool("False")`` is true and ``int("")`` is a stack trace; here each is a sentence that says which
variable it was and what it may be.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?|\[[0-9a-f:.]+\]"
_ORIGIN = re.compile(
    rf"(?:https://(?:{_HOST})(?::(?!443$)[1-9]\d{{0,4}})?|http://(?:{_HOST})(?::(?!80$)[1-9]\d{{0,4}})?)"
)
_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def text(name: str, default: str = "") -> str:
    """The value without surrounding white space; unset and empty are the default."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    """A yes or no, in the words of ``_FLAGS``."""
    value = text(name)
    if not value:
        return default
    if value.lower() not in _FLAGS:
        raise ImproperlyConfigured(f"{name} is {value!r}, but may only be true or false.")
    return _FLAGS[value.lower()]


def integer(name: str, default: int, *, least: int, most: int) -> int:
    """A whole number within bounds (both included)."""
    value = text(name)
    if not value:
        return default
    if not (value.isascii() and value.isdigit()) or len(value) > 12 or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} is {value!r}, but must be a whole number from {least} to {most}.")
    return int(value)


def choice(name: str, default: str, *, choices: Sequence[str]) -> str:
    """One of a few words."""
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}, but may only be: {', '.join(choices)}.")
    return value


def names(name: str, default: Sequence[str] = (), *, choices: Sequence[str] = ()) -> list[str]:
    """Names separated by commas; with ``choices``, each must be one of them."""
    value = text(name)
    found = [part.strip() for part in value.split(",") if part.strip()] or list(default)
    unknown = [part for part in found if choices and part not in choices]
    if unknown:
        raise ImproperlyConfigured(f"{name} has {unknown[0]!r}, but may only have: {', '.join(choices)}.")
    return found


def origins(name: str, default: Sequence[str] = ()) -> list[str]:
    """Origins separated by commas, each exactly as a browser writes it into its ``Origin`` header.

    https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
    """
    found = names(name, default)
    for origin in found:
        if not _ORIGIN.fullmatch(origin):
            shown = "an entry with a user or password" if "@" in origin else repr(origin)
            raise ImproperlyConfigured(
                f"{name} has {shown}, which is no origin. It must be like https://shri.software or "
                "http://localhost:3000: scheme and host in small letters, the port only where it is not the scheme's "
                "own, and no path, slash or star."
            )
    return found


def pattern(name: str, regex: str, meaning: str, default: str = "") -> str:
    """Text of a known form; ``meaning`` completes "must be …"."""
    value = text(name, default)
    if value and not re.fullmatch(regex, value):
        shown = "set" if "@" in value else repr(value)  # it may hold a password
        raise ImproperlyConfigured(f"{name} is {shown}, but must be {meaning}.")
    return value


def folder(name: str, default: Path) -> Path:
    """A folder; made where it does not exist."""
    path = Path(text(name) or default)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name} is {str(path)!r}, which cannot be made: {error.strerror}.") from None
    return path


def database(name: str, default: str, *, base: Path) -> dict[str, Any]:
    """A database URL as an entry of Django's ``DATABASES``: ``mysql://`` or ``sqlite:///``.

    The file of ``?ssl-ca=`` may be named relative to ``base``.
    """
    url = text(name, default)
    # The URL holds a password: no message may repeat it.
    wrong = ImproperlyConfigured(
        f"{name} cannot be read. It must be mysql://user:password@host:port/name or sqlite:///path "
        "(special characters in the password percent-encoded)."
    )
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError:
        raise wrong from None
    if config["ENGINE"] not in ("django.db.backends.mysql", "django.db.backends.sqlite3") or not config["NAME"]:
        raise wrong
    tls: dict[str, str] = config.get("OPTIONS", {}).get("ssl", {})
    if "ca" in tls:
        path = base / tls["ca"]
        if not path.is_file():
            raise ImproperlyConfigured(f"{name} names the file {tls['ca']!r} by ssl-ca, which is not there.")
        tls["ca"] = str(path)
    return config
