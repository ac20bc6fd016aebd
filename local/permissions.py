"""What roles may, of what this account knows: policies are read with moto's own reader, which ignores conditions."""

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.models import iam_backends

from local.fronts import ACCOUNT


def trusts(role_arn: str, service: str) -> bool:
    """Whether a service of AWS may take on the role."""
    document = _role(role_arn).assume_role_policy_document
    document = json.loads(document) if isinstance(document, str) else document
    allowed = [found for found in document["Statement"] if found["Effect"] == "Allow"]
    services = [found.get("Principal", {}).get("Service", []) for found in allowed]
    return any(service in ([named] if isinstance(named, str) else named) for named in services)


def may(role_arn: str, action: str, resource: str) -> bool:
    """Whether the role's own policies allow the action, such as ``lambda:InvokeFunction``."""
    role = _role(role_arn)
    own = [json.dumps(document) if isinstance(document, dict) else document for document in role.policies.values()]
    documents = [*own, *role.managed_policies.values()]
    results = [IAMPolicy(document).is_action_permitted(action, resource) for document in documents]
    return PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results


def _role(role_arn: str) -> Any:
    return iam_backends[ACCOUNT]["aws"].get_role_by_arn(role_arn)
