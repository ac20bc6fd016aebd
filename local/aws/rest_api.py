"""A REST API of API Gateway, as Zappa makes one.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.aws.fronts import (
    ACCOUNT,
    API_ID,
    Answer,
    Request,
    grouped,
    identity,
    is_below,
    moment,
    read_answer,
    with_forwarding,
)

EDGE = "130.176.1.20"  # the vendor's own hop, which stands behind the client's address
# What gets another name in an answer
# (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html).
REMAPPED = frozenset(
    (
        *("authorization", "connection", "content-length", "content-md5", "date", "expect", "host", "max-forwards"),
        *("proxy-authenticate", "server", "te", "trailer", "upgrade", "user-agent", "via", "www-authenticate"),
    )
)


@dataclass(frozen=True)
class RestApi:
    """A REST API with the two resources that Zappa makes, and ``binaryMediaTypes`` of ``*/*``.

    ``domain`` is a custom one, mapped to the stage at ``base_path``; without it clients use the stage's own address.
    """

    stage: str = "default"
    domain: str = ""
    base_path: str = ""
    api_id: str = API_ID
    region: str = "us-east-1"

    @property
    def host(self) -> str:
        """What stands in the Host header."""
        return self.domain or f"{self.api_id}.execute-api.{self.region}.amazonaws.com"

    def event(self, request: Request) -> dict[str, Any] | Answer:
        """``path`` is as on the wire: without the stage, but with a base path; parameters are decoded."""
        full, _, query = request.target.partition("?")
        prefix = self.base_path if self.domain else f"/{self.stage}"
        if not is_below(full, prefix):
            return Answer.of_front(403, "Forbidden")
        inner = full.removeprefix(prefix) or "/"
        headers = with_forwarding(request, self.host, hops=(EDGE,))
        values = grouped(parse_qsl(query, keep_blank_values=True))
        resource = "/" if inner == "/" else "/{proxy+}"
        return {
            "resource": resource,
            "path": full if self.domain else inner,
            "httpMethod": request.method,
            "headers": {name: found[-1] for name, found in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {name: found[-1] for name, found in values.items()} or None,
            "multiValueQueryStringParameters": values or None,
            "pathParameters": None if inner == "/" else {"proxy": unquote(inner[1:].rstrip("/"))},
            "stageVariables": None,
            "requestContext": {
                "resourceId": "f00ba7",
                "resourcePath": resource,
                "httpMethod": request.method,
                "path": full,
                "accountId": ACCOUNT,
                "protocol": "HTTP/1.1",
                "stage": self.stage,
                "domainPrefix": self.host.split(".")[0],
                "domainName": self.host,
                "apiId": self.api_id,
                "deploymentId": "d3p107",
                "identity": identity(request),
                **moment(),
            },
            "body": base64.b64encode(request.body).decode() if request.body else None,
            "isBase64Encoded": bool(request.body),
        }

    def answer(self, returned: Any) -> Answer:
        """Some headers get other names, ``WWW-Authenticate`` among them."""
        given = read_answer(returned)
        renamed = [(f"x-amzn-Remapped-{n}" if n.lower() in REMAPPED else n, value) for n, value in given.headers]
        return given._replace(headers=renamed)

    def failure(self) -> Answer:
        """The same for every cause."""
        return Answer.of_front(502, "Internal server error")
