"""What HTTP says about quotas and repeated requests: headers, and the answers where something is refused."""

import logging
from typing import Any

from django.db import Error as DatabaseFailed
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import caller
from accounts.models import User
from videos import idempotency, quotas
from videos.quotas import Allowance

log = logging.getLogger(__name__)

_SERVER_ERROR = 500


def _header(name: str, description: str, *, answers: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, response=answers, description=description)


def limit_headers(*answers: int) -> list[OpenApiParameter]:
    """For the schema: the headers that these answers carry."""
    return [
        _header("RateLimit-Policy", 'The quota, such as `"submissions";q=100;w=86400`.', answers=list(answers)),
        _header(
            "RateLimit", 'What is left, and for how long, such as `"submissions";r=12;t=3600`.', answers=list(answers)
        ),
    ]


KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": idempotency.PATTERN},
    OpenApiParameter.HEADER,
    description="A text of your own, such as a UUID. For a day, the same request with the same key gets the answer "
    "of the first one, and is counted once; another request with it is refused.",
)


class QuotaExceeded(APIException):
    """429: nothing is left of a quota."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "quota_exceeded"

    def __init__(self, error: quotas.QuotaExceeded) -> None:
        super().__init__(str(error))
        self.wait = error.retry_after
        self.allowance = error.allowance


class MalformedKey(APIException):
    """400: the header ``Idempotency-Key`` is none."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "invalid_idempotency_key"


class KeyMismatch(APIException):
    """422: the key came with another request before."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_mismatch"
    default_detail = (
        "This Idempotency-Key has come with another link, language or mode before. Use a new key for a new request."
    )


def idempotency_key(request: Request) -> str:
    """The request's key, empty where it has none. Raises ``MalformedKey``."""
    header = request.META.get("HTTP_IDEMPOTENCY_KEY")
    try:
        return "" if header is None else idempotency.key_in(header)
    except idempotency.MalformedKey as error:
        raise MalformedKey(str(error)) from error


class Metered(APIView):
    """Every answer to a POST tells how many submissions are left, and one that is refused what the matter is.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
    """

    exceeded: Allowance | None = None
    known: User | None = None  # asking the request once more would check its token once more where that has failed

    def perform_authentication(self, request: Request) -> None:
        """As usual, and remembers who it is."""
        super().perform_authentication(request)
        self.known = caller(request)

    def handle_exception(self, exc: Exception) -> Response:
        """What domain code raises about quotas, as an answer."""
        if isinstance(exc, quotas.QuotaExceeded):
            self.exceeded = exc.allowance
            exc = QuotaExceeded(exc)
        return super().handle_exception(exc)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Adds the headers; not where nobody is known or the user was erased, and not where the database is away."""
        if request.method == "POST" and self.known and response.status_code < _SERVER_ERROR:
            try:
                allowances = [quotas.submissions(self.known.pk)]
            except (DatabaseFailed, User.DoesNotExist) as error:  # what was accepted is accepted
                log.warning("an answer does not tell what is left: %s", error)
                allowances = []
            if self.exceeded and self.exceeded.name != "submissions":
                allowances.append(self.exceeded)
            for name, value in _headers(allowances).items():
                response[name] = value
        return super().finalize_response(request, response, *args, **kwargs)


def _headers(allowances: list[Allowance]) -> dict[str, str]:
    """Lists of structured fields (RFC 9651); nothing about what has no limit."""
    now = timezone.now()
    policies, limits = [], []
    for allowance in allowances:
        if allowance.limit is None:
            continue
        policy, limit = f'"{allowance.name}";q={allowance.limit}', f'"{allowance.name}";r={allowance.remaining}'
        if allowance.began_at and allowance.renews_at:
            policy += f";w={int((allowance.renews_at - allowance.began_at).total_seconds())}"
            limit += f";t={allowance.seconds_left(now)}"
        policies.append(policy)
        limits.append(limit)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)} if policies else {}
