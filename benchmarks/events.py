"""Events as a REST API sends them for a browser: with the dozen headers that one has, each of them twice."""

import json
from typing import Any

DOMAIN = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
_BROWSER = {
    "Accept": "application/json, text/plain, */*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
    "Host": DOMAIN,
    "Origin": "https://shri.software",
    "Referer": "https://shri.software/",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "cross-site",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "X-Amzn-Trace-Id": "Root=1-6745a1b2-0123456789abcdef01234567",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}


def rest(method: str, path: str, *, token: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """One of https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html."""
    sent = _BROWSER | {"Authorization": f"Bearer {token}"} | (headers or {})
    if body is not None:
        sent["Content-Type"] = "application/json"
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": DOMAIN,
            "domainPrefix": "a1b2c3d4e5",
            "extendedRequestId": "BkFzRGdQoAMEVLw=",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": _BROWSER["User-Agent"]},
            "path": f"/default{path}",
            "protocol": "HTTP/1.1",
            "requestId": "6f1f8f6e-7a3c-4a55-9a5b-0c5f1c6f2f77",
            "requestTime": "28/Nov/2026:06:30:00 +0000",
            "requestTimeEpoch": 1795847400000,
            "resourceId": "abc123",
            "resourcePath": "/{proxy+}",
            "stage": "default",
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
