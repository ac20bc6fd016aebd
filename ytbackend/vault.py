"""Secrets that a variable names instead of holding: read from AWS when first needed, and anew when they may be old.

``secretsmanager:NAME`` or ``secretsmanager:NAME#FIELD`` is a secret of Secrets Manager, by its name or ARN, whole or a
field of its JSON; ``ssm:NAME`` or ``ssm:NAME#FIELD`` is a parameter of Systems Manager. What was read is remembered for
a minute, and for longer while AWS cannot be asked. Times are of the wall clock, because a monotonic one may stand
still while a Lambda is frozen. No message and no ``repr`` holds a secret.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
"""

import functools
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 60.0
REFUSED_SECONDS = 2.0  # between two questions about a secret that was refused: many connections may be at once
_SCHEME = re.compile(r"(?:secretsmanager|ssm):")
_REFERENCE = re.compile(r"(secretsmanager|ssm):([\w/+=.@!:-]{1,2048})(?:#([\w.-]+))?", re.ASCII)


class SecretUnavailable(ImproperlyConfigured):
    """What a variable names cannot be had. The message says why and what to do."""


class Reference(NamedTuple):
    """Where a secret is."""

    service: str
    name: str
    field: str


def is_reference(value: str) -> bool:
    """Whether a variable names a secret instead of holding it."""
    return bool(_SCHEME.match(value))


def read(variable: str, value: str) -> Reference:
    """The secret that a variable names. Raises ``ImproperlyConfigured``."""
    found = _REFERENCE.fullmatch(value)
    if not found:
        raise ImproperlyConfigured(
            f"{variable} names no secret that can be read. It must be like secretsmanager:yt-backend/proxy, "
            "secretsmanager:NAME#FIELD or ssm:/yt-backend/proxy."
        )
    return Reference(found[1], found[2], found[3] or "")


class Secret:
    """One secret; threads may share it."""

    version = "current"

    def __init__(
        self, variable: str, reference: Reference, *, form: str = "", now: Callable[[], float] = time.time
    ) -> None:
        self._variable, self._reference, self._now = variable, reference, now
        self._form = re.compile(form, re.DOTALL) if form else None
        self._lock = threading.Lock()
        self._value: str | None = None
        self._asked: float | None = None
        self.remembered: tuple[str, ...] = ()  # what it is and was, newest first; for whom nothing of it may be told

    def __repr__(self) -> str:
        return f"<Secret {self._variable}>"

    def value(self) -> str:
        """The text, at most a minute old. Raises ``SecretUnavailable`` where it was never read."""
        known = self._value
        if known is not None and self._asked_within(REMEMBERED_SECONDS):
            return known
        return self._renewed(known, REMEMBERED_SECONDS)

    def renewed(self, refused: str) -> str:
        """The text after ``refused`` was found to be wrong: asked for anew, unless that was done a moment ago."""
        return self._renewed(refused, REFUSED_SECONDS)

    def _asked_within(self, seconds: float) -> bool:
        """Whether less than ``seconds`` have passed; a clock that was set back counts as long ago."""
        return self._asked is not None and 0 <= self._now() - self._asked < seconds

    def _renewed(self, known: str | None, seconds: float) -> str:
        with self._lock:
            if self._value is not None and (self._value != known or self._asked_within(seconds)):
                return self._value  # another thread was here first
            try:
                self._value = self._read()
            except SecretUnavailable as error:
                if self._value is None:
                    raise
                log.warning("%s The one of before is used.", error)
            else:
                self.remembered = tuple(dict.fromkeys([self._value, *self.remembered]))[:3]
            self._asked = self._now()
            return self._value

    def _read(self) -> str:
        text = _ask(self._variable, self._reference, self.version).strip()
        if self._reference.field:
            text = self._field(text)
        if self._form and not self._form.fullmatch(text):
            raise SecretUnavailable(f"What {self._variable} names is there, but not what the variable itself may hold.")
        return text

    def _field(self, text: str) -> str:
        try:
            found = json.loads(text)[self._reference.field]
        except (ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, str):
            raise SecretUnavailable(
                f"What {self._variable} names is no JSON object with a text {self._reference.field!r}. See which "
                "fields it has."
            )
        return found


class SecretBefore(Secret):
    """The version before the current one, with which things are checked that are still about.

    Django asks for it with every signature that is wrong, after the current one. So it is no reason to fail: where
    there is no such version, or it may not be read, the current one once more does no harm.
    """

    version = "previous"

    def __init__(
        self,
        current: Secret,
        variable: str,
        reference: Reference,
        *,
        form: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(variable, reference, form=form, now=now)
        self._current = current
        self._was_read = self._was_told = False

    def _read(self) -> str:
        try:
            text = super()._read()
        except SecretUnavailable as error:
            if self._was_read:
                raise  # and what was read is used on
            current = self._current.value()
            if not self._was_told:
                self._was_told = True
                log.warning(
                    "Of what %s names the version of before cannot be had, and the current one is used instead, "
                    "which is as it should be until it is changed for the first time. %s",
                    self._variable,
                    error,
                )
            return current
        self._was_read = True
        return text


class Remembered:
    """A setting whose text is a secret's, as it is now. ``str()`` it where real text is needed."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def __str__(self) -> str:
        return self._secret.value()

    def __repr__(self) -> str:
        return repr(self._secret)

    def __bool__(self) -> bool:
        """It is set, whatever it is: Django asks that of its key, and nothing may wait for AWS for that."""
        return True

    def __len__(self) -> int:
        return len(str(self))

    def __iter__(self) -> Iterator[str]:
        return iter(str(self))

    def __getattr__(self, name: str) -> Any:
        """Every method of text."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(str(self), name)


def secret(variable: str, value: str, *, version: str = "current", form: str = "") -> Secret:
    """The one of a process, ``current`` or ``previous``. Raises ``ImproperlyConfigured`` for what is no reference."""
    key, reference = (variable, value, version, form), read(variable, value)
    if version == "current":
        return _made.setdefault(key, Secret(variable, reference, form=form))
    current = secret(variable, value, form=form)
    return _made.setdefault(key, SecretBefore(current, variable, reference, form=form))


_made: dict[tuple[str, str, str, str], Secret] = {}


def setting(variable: str, value: str, *, version: str = "current", form: str = "") -> str:
    """The value of a variable, or a stand-in of the secret that it names."""
    if not is_reference(value):
        return value
    # A str to all who use it; that it is none must be known only where a library looks at the type.
    stand_in: Any = Remembered(secret(variable, value, version=version, form=form))
    text: str = stand_in
    return text


def remembered() -> list[str]:
    """Every secret text that this process knows, without asking for any."""
    known = [text for made in list(_made.values()) for text in made.remembered]
    return [*known, *(word for text in known if text.startswith("{") for word in _passwords(text))]


def credentials(text: str) -> dict[str, str]:
    """User and password as RDS keeps them, as JSON; else all of the text is the password."""
    if not text.startswith("{"):
        return {"password": text}
    try:
        found = json.loads(text)
    except ValueError:
        return {"password": text}
    names = {"username": "user", "password": "password"}
    return {names[name]: word for name, word in found.items() if name in names and isinstance(word, str)}


def _passwords(text: str) -> list[str]:
    found = credentials(text).get("password")
    return [found] if found else []


def _ask(variable: str, reference: Reference, version: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        if reference.service == "ssm":
            return _parameter(reference.name, version)
        return _secret_of_manager(reference.name, version)
    except ClientError as error:
        code = error.response["Error"]["Code"]  # its message may hold what it was asked
        advice = _ADVICE.get(code, "See what AWS says of it, and try again.")
        raise SecretUnavailable(f"What {variable} names cannot be read: {code}. {advice}") from None
    except (BotoCoreError, KeyError) as error:
        raise SecretUnavailable(
            f"What {variable} names cannot be read: {type(error).__name__}. Check AWS_REGION, the credentials and the "
            "way to AWS; a secret of bytes cannot be used."
        ) from None


_ADVICE = {
    "AccessDeniedException": "Allow this role secretsmanager:GetSecretValue or ssm:GetParameter on it.",
    "ResourceNotFoundException": "Check its name, and AWS_REGION.",
    "ParameterNotFound": "Check its name, and AWS_REGION.",
    "DecryptionFailure": "Allow this role to use its key.",
}


def _secret_of_manager(name: str, version: str) -> str:
    found = _client("secretsmanager").get_secret_value(SecretId=name, VersionStage=f"AWS{version.upper()}")
    text: str = found["SecretString"]
    return text


def _parameter(name: str, version: str) -> str:
    client = _client("ssm")
    found = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    if version == "previous" and found["Version"] > 1:
        found = client.get_parameter(Name=f"{name}:{found['Version'] - 1}", WithDecryption=True)["Parameter"]
    text: str = found["Value"]
    return text


@functools.cache
def _client(service: str) -> Any:
    """Made when first asked; threads may share it."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
    return boto3.client(service, region_name=settings.AWS_REGION, config=config)
