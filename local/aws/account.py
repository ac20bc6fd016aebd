"""AWS on loopback: moto's server, whose functions really run, with a gateway in front of whatever was deployed.

All state is in memory, and ends with it.
"""

import contextlib
import json
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from moto.awslambda.models import lambda_backends
from moto.server import ThreadedMotoServer

from local.aws.cloudformation import whole_templates
from local.aws.fronts import ACCOUNT
from local.aws.functions import Functions
from local.aws.gateway import serving
from local.aws.lambda_runtime import Invocation
from local.aws.moto_gaps import mended, run
from local.aws.names import Names
from local.aws.permissions import Call, recorded
from local.aws.rest_apis import NotDeployed, RestApis

__all__ = ["LocalAws", "NotDeployed"]


class LocalAws:
    """The account between ``with`` and its end.

    ``database_host`` is where stacks find their database; ``variables`` are put beside each function's own.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        database_host: str = "127.0.0.1",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.region = region
        self.endpoint = ""
        self.functions = Functions(variables or {})
        self.rest_apis = RestApis(region, lambda arn, event: run(self.functions, self.function(arn), event))
        self.names = Names()
        self.calls: set[Call] = set()
        self._database_host = database_host
        self._parts = contextlib.ExitStack()

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
        with self._parts as parts:
            parts.enter_context(whole_templates(self._database_host))
            parts.enter_context(mended(self.functions, lambda: self.endpoint))
            parts.enter_context(recorded(self.calls))
            parts.enter_context(self.names)
            server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            server.start()
            parts.callback(server.stop)
            host, port = server.get_host_and_port()
            self.endpoint = f"http://{host}:{port}"
            self.functions.extra["AWS_ENDPOINT_URL"] = self.endpoint
            self.functions.outside |= self.names.environment()
            parts.enter_context(self.functions)
            gateway = urlsplit(parts.enter_context(serving(self.rest_apis, self.rest_apis.invoke)))
            self.names.hosts[self.rest_apis.host] = ("127.0.0.1", int(gateway.port or 0))
            self.names.hosts[f"cognito-idp.{self.region}.amazonaws.com"] = (host, int(port))
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def environment(self, role: str = "testing") -> dict[str, str]:
        """What a process needs to take this for its account, in a role whose calls are written down under its name."""
        return self.names.environment() | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": role,
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, role: str = "testing") -> Any:
        """A boto3 client of this account."""
        keys = {"aws_access_key_id": role, "aws_secret_access_key": "testing"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=self.region, **keys)

    def function(self, arn: str) -> Any:
        """Moto's function. Raises ``NotDeployed``."""
        found = lambda_backends[ACCOUNT][self.region].get_function_by_arn(arn)
        if found is None:
            raise NotDeployed(f"There is no function {arn}.")
        return found

    def fire(self, rule: str) -> list[Invocation]:
        """Does what EventBridge does when the rule's time has come: its targets are invoked.

        Raises ``NotDeployed`` where the rule is off, or the function's policy does not let EventBridge call it.
        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
        """
        events = self.client("events")
        found = events.describe_rule(Name=rule)
        if found["State"] != "ENABLED" or not found.get("ScheduleExpression"):
            raise NotDeployed(f"The rule {rule} is off, or has no schedule.")
        return [self._hit(target, found["Arn"]) for target in events.list_targets_by_rule(Rule=rule)["Targets"]]

    def _hit(self, target: dict[str, Any], rule_arn: str) -> Invocation:
        function = self.function(target["Arn"])
        _check_permission(function, "events.amazonaws.com", rule_arn)
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": self.region,
            "resources": [rule_arn],
            "detail": {},
        }
        if transformer := target.get("InputTransformer"):
            text = transformer["InputTemplate"]
            for name, path in transformer["InputPathsMap"].items():
                text = text.replace(f"<{name}>", json.dumps(event[path.removeprefix("$.")]))
            event = json.loads(text)
        return run(self.functions, function, json.dumps(event).encode())


def _check_permission(function: Any, service: str, source: str) -> None:
    for statement in function.policy.statements:
        principal = statement.get("Principal", {})
        condition = json.dumps(statement.get("Condition", {}))
        if principal.get("Service") == service and source in condition and statement["Effect"] == "Allow":
            return
    raise NotDeployed(f"The policy of {function.function_name} does not let {service} call it for {source}.")
