"""What roles may, and what those who have them really did.

Policies are read as far as this account can: actions, and the resources of S3; conditions are not looked at.
"""

import contextlib
import fnmatch
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.models import iam_backends

from local.aws.fronts import ACCOUNT

# Requests whose permissions have other names
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html).
_OTHER_NAMES = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
}
_ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}


class Call(NamedTuple):
    """One kind of request. ``who`` is the access key, here the role's name; ``resource`` is ``*`` if unknown."""

    who: str
    action: str
    resource: str


@contextlib.contextmanager
def recorded(calls: set[Call]) -> Iterator[None]:
    """Every signed request is written down while this lasts."""

    def _record(response: Any, _: type, resource: str = "*") -> None:
        signed = response.headers.get("Authorization") or ""
        if scope := re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", signed):
            who, service = scope.groups()
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-iam-policy-examples.html
            name = response.method if service == "apigateway" else response._get_action()
            action = f"{service}:{name}"
            calls.add(Call(who, _OTHER_NAMES.get(action, action), resource))

    with mock.patch.object(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", _record):
        yield


def not_allowed(role_arn: str, calls: set[Call]) -> list[str]:
    """What the role's holder did and its policies do not allow."""
    name = role_arn.rpartition("/")[2]
    return sorted(
        f"{call.action} on {call.resource}"
        for call in calls
        if call.who == name and call.action not in _ALWAYS_ALLOWED and not may(role_arn, call.action, call.resource)
    )


def trusts(role_arn: str, service: str) -> bool:
    """Whether a service of AWS may take on the role."""
    allowed = _allowing(_role(role_arn).assume_role_policy_document)
    return any(service in _listed(found.get("Principal", {}).get("Service", [])) for found in allowed)


def may(role_arn: str, action: str, resource: str = "*") -> bool:
    """Whether the role's own policies allow the action; ``*`` is a resource that is not known."""
    role = _role(role_arn)
    attached = [policy.default_version.document for policy in role.managed_policies.values()]
    return any(
        any(fnmatch.fnmatch(action.lower(), pattern.lower()) for pattern in _listed(statement.get("Action", [])))
        and (resource == "*" or any(fnmatch.fnmatch(resource, known) for known in _listed(statement["Resource"])))
        for document in [*role.policies.values(), *attached]
        for statement in _allowing(document)
    )


def _allowing(document: Any) -> list[dict[str, Any]]:
    read = json.loads(document) if isinstance(document, str) else document
    return [statement for statement in read["Statement"] if statement["Effect"] == "Allow"]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _role(role_arn: str) -> Any:
    return iam_backends[ACCOUNT]["aws"].get_role_by_arn(role_arn)
