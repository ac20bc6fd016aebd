"""Every REST API that was deployed in the local AWS, each at its own address and with its own function."""

import json
import re
from collections.abc import Callable
from typing import Any

from moto.apigateway.models import apigateway_backends

from local.aws import permissions
from local.aws.fronts import ACCOUNT, Answer, Request
from local.aws.lambda_runtime import Invocation
from local.aws.rest_api import RestApi


class NotDeployed(Exception):
    """What was asked for is not there, or would not work in an account; the text says why."""


class RestApis:
    """A front that looks at each request's host to find its API. ``call`` runs a function, named by its ARN.

    ``troubles`` is why requests failed before any function was asked; a client is told nothing.
    """

    def __init__(self, region: str, call: Callable[[str, bytes], Invocation]) -> None:
        self.region, self.host = region, f"*.execute-api.{region}.amazonaws.com"
        self.troubles: list[str] = []
        self._call = call

    def event(self, request: Request) -> dict[str, Any] | Answer:
        """As ``RestApi`` makes it, where there is such an API with such a stage."""
        host = next((value for name, value in request.headers if name.lower() == "host"), "")
        api_id, stage = host.split(".")[0], request.target.partition("?")[0].split("/")[1]
        if api_id not in self._apis or stage not in self._apis[api_id].stages:
            return Answer.of_front(403, "Forbidden")
        return RestApi(stage=stage, api_id=api_id, region=self.region).event(request)

    def answer(self, returned: Any) -> Answer:
        """The same for all."""
        return RestApi().answer(returned)

    def failure(self) -> Answer:
        """The same for all."""
        return RestApi().failure()

    def invoke(self, event: bytes) -> Invocation:
        """Runs the function behind the event's resource."""
        read = json.loads(event)
        try:
            arn = self._function_behind(read["requestContext"]["apiId"], read["resource"])
            return self._call(arn, event)
        except NotDeployed as trouble:
            self.troubles.append(str(trouble))
            return Invocation(None, {"errorType": "NotDeployed", "errorMessage": str(trouble)}, 0, "")

    @property
    def _apis(self) -> dict[str, Any]:
        apis: dict[str, Any] = apigateway_backends[ACCOUNT][self.region].apis
        return apis

    def _function_behind(self, api_id: str, resource: str) -> str:
        """The ARN that the resource's integration names, and that its role may call."""
        if "*/*" not in self._apis[api_id].binaryMediaTypes:
            raise NotDeployed(f"The REST API {api_id} has no binary support, and pictures would arrive broken.")
        for candidate in self._apis[api_id].resources.values():
            method = candidate.resource_methods.get("ANY")
            if candidate.get_path() == resource and method and method.method_integration:
                integration = method.method_integration
                found = re.search(r"arn:aws[a-z-]*:lambda:[^/]+", integration.uri or "")
                if integration.integration_type == "AWS_PROXY" and found:
                    _check_role(integration.credentials, found[0])
                    return found[0]
        raise NotDeployed(f"No function stands behind {resource} of the REST API {api_id}.")


def _check_role(role: str | None, function: str) -> None:
    """Zappa has API Gateway take on a role to call the function, instead of a policy of the function."""
    if not role:
        raise NotDeployed(f"Nothing lets API Gateway call {function}: the integration has no role.")
    if not permissions.trusts(role, "apigateway.amazonaws.com"):
        raise NotDeployed(
            f"API Gateway cannot take on {role}: its trust policy does not name apigateway.amazonaws.com."
        )
    if not permissions.may(role, "lambda:InvokeFunction", function):
        raise NotDeployed(f"{role} does not allow lambda:InvokeFunction on {function}, which API Gateway needs.")
