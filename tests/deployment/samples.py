"""Events with the peculiarities that the vendor's consoles, health checks and function URLs have.

Each has what the API is to make of it: where it begins, the rest of the path, and who is calling.
"""

from typing import Any, NamedTuple


class Sample(NamedTuple):
    """An event, and what Django should see of it."""

    event: dict[str, Any]
    script_name: str
    path_info: str
    client: str
    query: dict[str, list[str]]


# The Lambda console's test event "API Gateway AWS Proxy": no domainName, a stage that is not ours.
CONSOLE_REST = Sample(
    {
        "body": "eyJ0ZXN0IjoiYm9keSJ9",
        "resource": "/{proxy+}",
        "path": "/seen/to/resource",
        "httpMethod": "POST",
        "isBase64Encoded": True,
        "queryStringParameters": {"foo": "bar"},
        "multiValueQueryStringParameters": {"foo": ["bar"]},
        "pathParameters": {"proxy": "/seen/to/resource"},
        "stageVariables": {"baz": "qux"},
        "headers": {
            "Host": "1234567890.execute-api.us-east-1.amazonaws.com",
            "X-Forwarded-For": "127.0.0.1, 127.0.0.2",
        },
        "multiValueHeaders": {
            "Host": ["0123456789.execute-api.us-east-1.amazonaws.com"],
            "X-Forwarded-For": ["127.0.0.1, 127.0.0.2"],
            "X-Forwarded-Proto": ["https"],
        },
        "requestContext": {
            "accountId": "123456789012",
            "resourceId": "123456",
            "stage": "prod",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"cognitoIdentityPoolId": None, "sourceIp": "127.0.0.1", "userAgent": "Custom", "user": None},
            "path": "/prod/seen/to/resource",
            "resourcePath": "/{proxy+}",
            "httpMethod": "POST",
            "apiId": "1234567890",
            "protocol": "HTTP/1.1",
        },
    },
    "/prod",
    "/seen/to/resource",
    "127.0.0.1",
    {"foo": ["bar"]},
)

# The test of a method in API Gateway's console: no headers at all, a stage and a domain that do not exist.
CONSOLE_METHOD = Sample(
    {
        "resource": "/{proxy+}",
        "path": "/seen/a",
        "httpMethod": "GET",
        "headers": None,
        "multiValueHeaders": None,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": "seen/a"},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": "GET",
            "path": "/{proxy+}",
            "stage": "test-invoke-stage",
            "domainPrefix": "testPrefix",
            "domainName": "testPrefix.testDomainName",
            "identity": {"sourceIp": "test-invoke-source-ip", "userAgent": "aws-internal/3"},
            "requestId": "x",
            "apiId": "a1b2c3d4e5",
        },
        "body": None,
        "isBase64Encoded": False,
    },
    "",
    "/seen/a",
    "test-invoke-source-ip",
    {},
)

# A function URL: format 2.0 without a route or an API.
FUNCTION_URL = Sample(
    {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/seen/caf%C3%A9",
        "rawQueryString": "a=1&a=2",
        "cookies": ["c=1"],
        "headers": {"host": "abcdef.lambda-url.us-east-1.on.aws", "x-forwarded-for": "203.0.113.7"},
        "queryStringParameters": {"a": "1,2"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdef",
            "domainName": "abcdef.lambda-url.us-east-1.on.aws",
            "domainPrefix": "abcdef",
            "http": {
                "method": "GET",
                "path": "/seen/caf%C3%A9",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8",
            },
            "requestId": "x",
            "routeKey": "$default",
            "stage": "$default",
            "time": "22/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795348800000,
        },
        "isBase64Encoded": False,
    },
    "",
    "/seen/café",
    "203.0.113.7",
    {"a": ["1", "2"]},
)

# A load balancer asks after the health of its target: nothing was forwarded, the host is an address.
HEALTH_CHECK = Sample(
    {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/x/1"}},
        "httpMethod": "GET",
        "path": "/seen",
        "queryStringParameters": {},
        "headers": {"host": "10.20.0.17", "user-agent": "ELB-HealthChecker/2.0"},
        "body": "",
        "isBase64Encoded": False,
    },
    "",
    "/seen",
    "",
    {},
)

# HTTP API with a route of its own for the function's prefix, as the console makes one with "Add trigger".
ROUTE_OF_A_TRIGGER = Sample(
    {
        "version": "2.0",
        "routeKey": "ANY /yt-backend",
        "rawPath": "/default/yt-backend",
        "rawQueryString": "",
        "headers": {"accept": "*/*", "host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "http": {
                "method": "GET",
                "path": "/default/yt-backend",
                "protocol": "HTTP/1.1",
                "sourceIp": "2001:db8::7",
                "userAgent": "curl/8",
            },
            "routeKey": "ANY /yt-backend",
            "stage": "default",
        },
        "isBase64Encoded": False,
    },
    "/default/yt-backend",
    "/",
    "2001:db8::7",
    {},
)

# A REST API whose resources begin with the function's prefix, as the console makes them with "Add trigger".
RESOURCE_OF_A_TRIGGER = Sample(
    {
        "resource": "/yt-backend/{proxy+}",
        "path": "/yt-backend/seen/a%2Fb",
        "httpMethod": "GET",
        "headers": {"Host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"},
        "multiValueHeaders": {"Host": ["a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": "seen/a/b"},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/yt-backend/{proxy+}",
            "httpMethod": "GET",
            "path": "/default/yt-backend/seen/a%2Fb",
            "stage": "default",
            "domainPrefix": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "apiId": "a1b2c3d4e5",
            "identity": {"sourceIp": "198.51.100.9"},
        },
        "body": None,
        "isBase64Encoded": False,
    },
    "/default/yt-backend",
    "/seen/a/b",
    "198.51.100.9",
    {},
)

SAMPLES = {
    "console, proxy": CONSOLE_REST,
    "console, method": CONSOLE_METHOD,
    "function URL": FUNCTION_URL,
    "health check": HEALTH_CHECK,
    "HTTP API, route of a trigger": ROUTE_OF_A_TRIGGER,
    "REST API, resource of a trigger": RESOURCE_OF_A_TRIGGER,
}
