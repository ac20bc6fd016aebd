"""The fronts make the events that the vendor's pages show, and read answers as those say."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from local.aws.fronts import Answer, Malformed, Request
from local.aws.gateway import send, serving
from local.aws.http_api import HttpApi
from local.aws.lambda_runtime import Invocation
from local.aws.load_balancer import LoadBalancer
from local.aws.rest_api import RestApi

FRONTS = [RestApi(), HttpApi("2.0"), HttpApi("1.0"), LoadBalancer(), LoadBalancer(multi_value=True)]
OK = {"statusCode": 200, "body": "fine", "headers": {"Content-Type": "text/plain"}}


def path_to(front) -> str:
    return "/" if isinstance(front, LoadBalancer) else "/default/"


def event_of(front, request: Request) -> dict[str, Any]:
    event = front.event(request)
    assert isinstance(event, dict)
    return event


def answering(returned: Any):
    return lambda event: Invocation(returned, None, 1.0, "")


def failing(event: bytes) -> Invocation:
    return Invocation(None, {"errorType": "ValueError", "errorMessage": "secret"}, 1.0, "")


# --- REST API


def test_a_rest_api_names_its_stage_only_in_the_context():
    event = event_of(RestApi(), Request(target="/default/videos/1"))

    assert (event["path"], event["requestContext"]["path"]) == ("/videos/1", "/default/videos/1")
    assert event["requestContext"]["stage"] == "default"


@pytest.mark.parametrize(
    ("target", "resource", "parameters"),
    [
        ("/default", "/", None),
        ("/default/", "/", None),
        ("/default/a/b", "/{proxy+}", {"proxy": "a/b"}),
        ("/default/caf%C3%A9", "/{proxy+}", {"proxy": "café"}),
    ],
)
def test_a_rest_api_has_two_resources(target, resource, parameters):
    event = event_of(RestApi(), Request(target=target))

    assert (event["resource"], event["pathParameters"]) == (resource, parameters)


def test_a_rest_api_leaves_the_path_as_it_came_and_decodes_the_query():
    event = event_of(RestApi(), Request(target="/default/caf%C3%A9?a=%C3%A9&a=2"))

    assert event["path"] == "/caf%C3%A9"
    assert event["queryStringParameters"] == {"a": "2"}
    assert event["multiValueQueryStringParameters"] == {"a": ["é", "2"]}


def test_a_rest_api_on_a_domain_of_its_own_keeps_the_base_path():
    event = event_of(RestApi(domain="api.example.com", base_path="/v1"), Request(target="/v1/a"))

    assert (event["path"], event["requestContext"]["path"]) == ("/v1/a", "/v1/a")
    assert event["requestContext"]["domainName"] == event["headers"]["Host"] == "api.example.com"
    assert event["pathParameters"] == {"proxy": "a"}


@pytest.mark.parametrize("target", ["/", "/prod/a", "/defaults", "/v1"])
def test_a_rest_api_knows_no_other_stage(target):
    assert RestApi().event(Request(target=target)) == Answer.of_front(403, "Forbidden")


def test_a_rest_api_encodes_every_body():
    event = event_of(RestApi(), Request("POST", "/default/a", (("Content-Type", "application/json"),), b"{}"))

    assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"{}").decode(), True)


def test_a_rest_api_keeps_the_names_of_headers_as_they_were_written():
    event = event_of(RestApi(), Request(target="/default", headers=(("x-Odd", "1"), ("x-Odd", "2"))))

    assert event["headers"]["x-Odd"] == "2"
    assert event["multiValueHeaders"]["x-Odd"] == ["1", "2"]


def test_a_rest_api_gives_some_headers_of_an_answer_another_name():
    given = RestApi().answer({"statusCode": 401, "body": "", "headers": {"WWW-Authenticate": "Bearer"}})

    assert given.headers == [("x-amzn-Remapped-WWW-Authenticate", "Bearer")]


# --- HTTP API


def test_an_http_api_decodes_the_path_and_keeps_the_stage_in_it():
    event = event_of(HttpApi(), Request(target="/default/caf%C3%A9?a=%C3%A9&a=2"))

    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/default/café"
    assert event["rawQueryString"] == "a=%C3%A9&a=2"
    assert event["queryStringParameters"] == {"a": "é,2"}


def test_an_http_api_with_the_default_stage_has_none_in_its_path():
    assert event_of(HttpApi(stage="$default"), Request(target="/a"))["rawPath"] == "/a"


def test_an_http_api_tells_the_mapping_of_a_domain_only_in_format_1():
    request = Request(target="/v1/a")

    assert event_of(HttpApi(domain="api.example.com", mapping="/v1"), request)["rawPath"] == "/default/a"
    assert event_of(HttpApi("1.0", domain="api.example.com", mapping="/v1"), request)["path"] == "/v1/a"


def test_an_http_api_puts_cookies_into_a_list_of_their_own():
    event = event_of(HttpApi(), Request(target="/default", headers=(("Cookie", "a=1; b=2"), ("Cookie", "c=3"))))

    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in event["headers"]


def test_an_http_api_writes_the_names_of_headers_small_and_joins_their_values():
    event = event_of(HttpApi(), Request(target="/default", headers=(("X-Odd", "1"), ("X-Odd", "2"))))

    assert event["headers"]["x-odd"] == "1,2"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize(("kind", "encoded"), [("application/json", False), ("image/png", True)])
def test_an_http_api_encodes_what_is_no_text(version, kind, encoded):
    event = event_of(HttpApi(version), Request("POST", "/default", (("Content-Type", kind),), b"{}"))

    assert event["isBase64Encoded"] == encoded
    assert event["body"] == (base64.b64encode(b"{}").decode() if encoded else "{}")


def test_an_http_api_takes_an_answer_without_a_status_for_the_body_of_one():
    assert HttpApi().answer({"hello": "world"}) == Answer(
        200, [("content-type", "application/json")], b'{"hello": "world"}'
    )


def test_an_http_api_sets_each_cookie_of_an_answer():
    given = HttpApi().answer({"statusCode": 200, "cookies": ["a=1", "b=2"]})

    assert given.headers == [("set-cookie", "a=1"), ("set-cookie", "b=2")]


# --- Load balancer


def test_a_load_balancer_decodes_nothing():
    event = event_of(LoadBalancer(multi_value=True), Request(target="/caf%C3%A9?a=%C3%A9&a=x=y&b"))

    assert event["path"] == "/caf%C3%A9"
    assert event["multiValueQueryStringParameters"] == {"a": ["%C3%A9", "x=y"], "b": [""]}


def test_a_load_balancer_that_is_not_asked_for_all_values_keeps_the_last():
    event = event_of(LoadBalancer(), Request(target="/?a=1&a=2", headers=(("X-Odd", "1"), ("X-Odd", "2"))))

    assert (event["queryStringParameters"], event["headers"]["x-odd"]) == ({"a": "2"}, "2")
    assert "multiValueHeaders" not in event


def test_a_load_balancer_reads_headers_only_in_the_form_that_it_was_asked_for():
    returned = {"statusCode": 200, "headers": {"A": "1"}, "multiValueHeaders": {"B": ["2"]}}

    assert LoadBalancer().answer(returned).headers == [("A", "1")]
    assert LoadBalancer(multi_value=True).answer(returned).headers == [("B", "2")]


def test_a_load_balancer_takes_a_megabyte_at_most():
    answer = LoadBalancer().event(Request("POST", body=b"x" * (1024 * 1024 + 1)))

    assert isinstance(answer, Answer)
    assert answer.status == 413


# --- All of them


@pytest.mark.parametrize("front", FRONTS, ids=repr)
def test_what_a_client_says_about_forwarding_stays_in_front_or_gives_way(front):
    spoofed = (("X-Forwarded-For", "6.6.6.6"), ("x-forwarded-proto", "http"), ("Host", "evil.example"))

    event = event_of(front, Request(target=path_to(front), headers=spoofed, client="203.0.113.9"))

    names = event.get("multiValueHeaders") or {name: [value] for name, value in event["headers"].items()}
    headers = {name.lower(): values for name, values in names.items()}
    assert headers["x-forwarded-for"][0].startswith("6.6.6.6, 203.0.113.9")
    assert (headers["x-forwarded-proto"], headers["host"]) == (["https"], [front.host])


@pytest.mark.parametrize("front", FRONTS, ids=repr)
def test_a_client_is_not_told_why_a_function_failed(front):
    answer = send(front, failing, Request(target=path_to(front)))

    assert answer.status in (500, 502)
    assert b"secret" not in answer.body


BAD = [
    None,
    "text",
    [],
    {"statusCode": "x"},
    {"statusCode": None},
    {"statusCode": 99},
    {"statusCode": 200, "body": {"a": 1}},
    {"statusCode": 200, "body": "é", "isBase64Encoded": True},
]


@pytest.mark.parametrize("front", [front for front in FRONTS if front != HttpApi("2.0")], ids=repr)
@pytest.mark.parametrize("returned", BAD, ids=repr)
def test_what_is_no_answer_is_a_failure(front, returned):
    with pytest.raises(Malformed):
        front.answer(returned)

    assert send(front, answering(returned), Request(target=path_to(front))).status >= 500


@pytest.mark.parametrize("front", FRONTS, ids=repr)
def test_a_head_request_gets_no_body(front):
    assert send(front, answering(OK), Request("HEAD", path_to(front))).body == b""


@pytest.mark.parametrize("front", FRONTS[:3], ids=repr)
def test_an_event_that_lambda_would_not_take_is_refused_in_front_of_it(front):
    answer = send(front, failing, Request("POST", path_to(front), body=b"x" * 7_000_000))

    assert answer == Answer.of_front(413, "Request Too Long")


def test_it_speaks_http_on_both_sides():
    def echo(event: bytes) -> Invocation:
        read = json.loads(event)
        body = f"{read['httpMethod']} {read['path']} {base64.b64decode(read['body']).decode()}"
        headers = {"Set-Cookie": ["a=1", "b=2"], "X-Odd": ["é".encode().decode("latin-1")]}
        return Invocation({"statusCode": 201, "body": body, "multiValueHeaders": headers}, None, 1.0, "")

    with serving(RestApi(), echo) as address:
        request = urllib.request.Request(f"{address}/default/a", data=b"hello", method="PUT")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert (answer.status, answer.read()) == (201, b"PUT /a hello")
            assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_it_says_forbidden_where_nothing_is_deployed():
    with serving(RestApi(), failing) as address, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/prod/a", timeout=10)

    assert refused.value.code == 403
    refused.value.close()
