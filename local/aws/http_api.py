"""An HTTP API of API Gateway.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.aws.fronts import (
    ACCOUNT,
    API_ID,
    TEXTS,
    Answer,
    Request,
    grouped,
    identity,
    is_below,
    moment,
    read_answer,
    with_forwarding,
)


@dataclass(frozen=True)
class HttpApi:
    """An HTTP API that sends every path to the function, in format ``version`` 2.0 or 1.0.

    ``domain`` is a custom one, mapped to the stage at ``mapping``, which only format 1.0 names. ``rawPath`` has the
    stage in front of it even there, as those have seen it who use it; ``stage_in_path`` is for whoever has not.
    """

    version: str = "2.0"
    stage: str = "default"
    domain: str = ""
    mapping: str = ""
    stage_in_path: bool = True
    api_id: str = API_ID
    region: str = "us-east-1"

    @property
    def host(self) -> str:
        """What stands in the Host header."""
        return self.domain or f"{self.api_id}.execute-api.{self.region}.amazonaws.com"

    def event(self, request: Request) -> dict[str, Any] | Answer:
        """Paths are decoded, header names are in small letters."""
        full, _, query = request.target.partition("?")
        staged = "" if self.stage == "$default" else f"/{self.stage}"
        prefix = self.mapping if self.domain else staged
        if not is_below(full, prefix):
            return Answer.of_front(404, "Not Found")
        inner = unquote(full.removeprefix(prefix)) or "/"
        headers = {name.lower(): found for name, found in with_forwarding(request, self.host).items()}
        values = grouped(parse_qsl(query, keep_blank_values=True))
        is_text = headers.get("content-type", [""])[-1].startswith(TEXTS)
        common = {
            "version": self.version,
            "body": request.body.decode(errors="replace") if is_text else base64.b64encode(request.body).decode(),
            "isBase64Encoded": bool(request.body) and not is_text,
        }
        context = {
            "accountId": ACCOUNT,
            "apiId": self.api_id,
            "domainName": self.host,
            "domainPrefix": self.host.split(".")[0],
            "stage": self.stage,
            **moment(),
        }
        if self.version == "1.0":
            path = unquote(full)
            return common | {
                "resource": "$default",
                "path": path,
                "httpMethod": request.method,
                "headers": {name: found[-1] for name, found in headers.items()},
                "multiValueHeaders": headers,
                "queryStringParameters": {name: found[-1] for name, found in values.items()} or None,
                "multiValueQueryStringParameters": values or None,
                "pathParameters": None,
                "stageVariables": None,
                "requestContext": context
                | {
                    "httpMethod": request.method,
                    "identity": identity(request),
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "resourceId": "$default",
                    "resourcePath": "$default",
                },
                "body": common["body"] or None,
            }
        cookies = [cookie for line in headers.pop("cookie", []) for cookie in line.split("; ")]
        path = inner if self.domain and not self.stage_in_path else staged + inner
        event = common | {
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {name: ",".join(found) for name, found in headers.items()},
            "requestContext": context
            | {
                "http": {
                    "method": request.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": request.client,
                    "userAgent": headers.get("user-agent", [""])[-1],
                },
                "routeKey": "$default",
            },
        }
        if cookies:
            event["cookies"] = cookies
        if values:
            event["queryStringParameters"] = {name: ",".join(found) for name, found in values.items()}
        if not request.body:
            del event["body"]
        return event

    def answer(self, returned: Any) -> Answer:
        """In format 2.0, what has no status code is the body of a 200."""
        if self.version == "1.0":
            return read_answer(returned)
        if not isinstance(returned, dict) or "statusCode" not in returned:
            return Answer(200, [("content-type", "application/json")], json.dumps(returned).encode())
        given = read_answer(returned | {"multiValueHeaders": {}})
        return given._replace(headers=[*given.headers, *(("set-cookie", c) for c in returned.get("cookies") or ())])

    def failure(self) -> Answer:
        """The same for every cause."""
        return Answer.of_front(500, "Internal Server Error")
