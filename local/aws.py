"""AWS on loopback: moto's server, whose functions really run, with a gateway in front of whatever was deployed.

All state is in memory.
"""

import contextlib
import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from moto.apigateway.models import apigateway_backends
from moto.awslambda.models import lambda_backends
from moto.server import ThreadedMotoServer

from local.aws_names import Names
from local.fronts import ACCOUNT
from local.functions import Functions
from local.gateway import serving
from local.lambda_runtime import Invocation
from local.moto_gaps import mended, run
from local.rest_api import RestApi


class NotDeployed(Exception):
    """What was asked for is not there, or would not work in an account; the text says why."""


class LocalAws:
    """The account between ``with`` and its end. ``variables`` are put beside each function's own."""

    def __init__(self, *, region: str = "us-east-1", variables: Mapping[str, str] | None = None) -> None:
        self.region = region
        self.endpoint = ""
        self._variables = dict(variables or {})
        self._parts = contextlib.ExitStack()

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
        with self._parts as parts:
            server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            self.names = parts.enter_context(Names())
            self.functions = Functions(self._variables)
            parts.enter_context(mended(self.functions, lambda: self.endpoint))
            server.start()
            parts.callback(server.stop)
            host, port = server.get_host_and_port()
            self.endpoint = f"http://{host}:{port}"
            self.functions.extra["AWS_ENDPOINT_URL"] = self.endpoint
            parts.enter_context(self.functions)
            self.names.hosts[f"cognito-idp.{self.region}.amazonaws.com"] = (host, int(port))
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def environment(self) -> dict[str, str]:
        """What a process needs to take this for its account."""
        return self.names.environment() | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of this account."""
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=self.region, **keys)

    def function(self, arn: str) -> Any:
        """Moto's function. Raises ``NotDeployed``."""
        found = lambda_backends[ACCOUNT][self.region].get_function_by_arn(arn)
        if found is None:
            raise NotDeployed(f"There is no function {arn}.")
        return found

    def open_gateway(self, address: str) -> None:
        """Has a REST API answer at its address, ``https://ID.execute-api.REGION.amazonaws.com/STAGE``.

        Raises ``NotDeployed`` where there is no such API or stage.
        """
        parts = urlsplit(address)
        api_id, stage = (parts.hostname or "").split(".")[0], parts.path.strip("/").split("/")[0]
        apis = apigateway_backends[ACCOUNT][self.region].apis
        if api_id not in apis or stage not in apis[api_id].stages:
            raise NotDeployed(f"There is no REST API at {address}.")

        def _invoke(event: bytes) -> Invocation:
            return run(self.functions, self._behind(api_id, json.loads(event)["resource"]), event)

        front = RestApi(stage=stage, api_id=api_id, region=self.region)
        url = urlsplit(self._parts.enter_context(serving(front, _invoke)))
        self.names.hosts[front.host] = (str(url.hostname), int(url.port or 0))

    def _behind(self, api_id: str, resource: str) -> Any:
        """The function that a resource's integration names."""
        apis = apigateway_backends[ACCOUNT][self.region].apis
        if api_id not in apis:
            raise NotDeployed(f"The REST API {api_id} is gone.")
        for candidate in apis[api_id].resources.values():
            method = candidate.resource_methods.get("ANY")
            if candidate.get_path() == resource and method and method.method_integration:
                integration = method.method_integration
                arn = re.search(r"arn:aws[a-z-]*:lambda:[^/]+", integration.uri or "")
                if integration.integration_type == "AWS_PROXY" and arn:
                    return self.function(arn[0])
        raise NotDeployed(f"No function stands behind {resource} of the REST API {api_id}.")

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
