"""An Application Load Balancer with the function as its target.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

import base64
from dataclasses import dataclass
from typing import Any

from local.aws.fronts import ACCOUNT, TEXTS, Answer, Request, grouped, read_answer, with_forwarding

MAX_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class LoadBalancer:
    """A target group of an Application Load Balancer, with ``lambda.multi_value_headers.enabled`` or without."""

    multi_value: bool = False
    host: str = "lb-1234567890.us-east-1.elb.amazonaws.com"

    def event(self, request: Request) -> dict[str, Any] | Answer:
        """Nothing is decoded; of what comes several times, the last one counts, unless all are asked for."""
        if len(request.body) > MAX_BODY_BYTES:
            return Answer(413, [("Content-Type", "text/html")], b"<h1>413 Request Entity Too Large</h1>")
        path, _, query = request.target.partition("?")
        headers = {name.lower(): found for name, found in with_forwarding(request, self.host).items()}
        values = grouped((name, value) for name, _, value in (part.partition("=") for part in query.split("&")) if name)
        is_text = headers.get("content-type", [""])[-1].startswith(TEXTS) and "content-encoding" not in headers
        encoded = bool(request.body) and not is_text
        event: dict[str, Any] = {
            "requestContext": {
                "elb": {"targetGroupArn": f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:targetgroup/api/6d0ecf83"}
            },
            "httpMethod": request.method,
            "path": path,
            "body": base64.b64encode(request.body).decode() if encoded else request.body.decode(errors="replace"),
            "isBase64Encoded": encoded,
        }
        if self.multi_value:
            return event | {"multiValueHeaders": headers, "multiValueQueryStringParameters": values}
        return event | {
            "headers": {name: found[-1] for name, found in headers.items()},
            "queryStringParameters": {name: found[-1] for name, found in values.items()},
        }

    def answer(self, returned: Any) -> Answer:
        """Headers count only in the form that was asked for."""
        unread = "headers" if self.multi_value else "multiValueHeaders"
        return read_answer(returned | {unread: None} if isinstance(returned, dict) else returned)

    def failure(self) -> Answer:
        """The same for every cause."""
        return Answer(502, [("Content-Type", "text/html")], b"<h1>502 Bad Gateway</h1>")
