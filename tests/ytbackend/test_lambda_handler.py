"""Lambda's entry: what each kind of event becomes for Django, and what goes to Zappa.

Whole events through the packaged zip are in ``tests/deployment``.
"""

import base64
import contextlib
import json
import os
from collections.abc import Iterator

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import clear_script_prefix, path
from django.views.decorators.csrf import csrf_exempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ytbackend import lambda_handler
from ytbackend.lambda_handler import Refused, handler

DOMAIN = "abc123.execute-api.eu-central-1.amazonaws.com"
OWN_DOMAIN = "api.shri.software"


pytestmark = pytest.mark.django_db  # a request looks after the connections


@csrf_exempt
def show(request: HttpRequest, rest: str = "") -> HttpResponse:
    """What Django has understood."""
    seen = {
        "method": request.method,
        "script": request.META["SCRIPT_NAME"],
        "path": request.path_info,
        "url": request.build_absolute_uri(),
        "client": request.META["REMOTE_ADDR"],
        "query": dict(request.GET.lists()),
        "cookies": request.COOKIES,
        "headers": dict(request.headers),
        "body": base64.b64encode(request.body).decode(),
    }
    response = HttpResponse(json.dumps(seen), content_type="application/json")
    response.set_cookie("first", "1")
    response.set_cookie("second", "2")
    return response


def subtitles(request: HttpRequest) -> HttpResponse:
    return HttpResponse("1\n00:00:00,000 --> 00:00:01,000\nwörds\n", content_type="application/x-subrip; charset=utf-8")


def every_byte(request: HttpRequest) -> HttpResponse:
    return HttpResponse(bytes(range(256)), content_type="application/octet-stream")


urlpatterns = [
    path("", show),
    path("subtitles", subtitles),
    path("bytes", every_byte),
    path("<path:rest>", show),
]


@pytest.fixture(autouse=True)
def echo(settings) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.ALLOWED_HOSTS = [DOMAIN, OWN_DOMAIN, "balancer.example"]
    yield
    clear_script_prefix()  # the last request's stays with the thread


def rest(path: str = "/", domain: str = DOMAIN, base: str = "", **changes) -> dict:
    """As a REST API sends it; its path lacks the stage, and has the base path of a custom domain."""
    proxy = path.strip("/")
    asked = f"{base}{path}" if domain != DOMAIN else f"/default{path}"
    return {
        "resource": "/{proxy+}" if proxy else "/",
        "path": f"{base}{path}" if base and proxy else base or path,
        "httpMethod": "GET",
        "headers": {"Host": domain},
        "multiValueHeaders": {"Host": [domain]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": proxy} if proxy else None,
        "stageVariables": None,
        "requestContext": {
            "stage": "default",
            "path": asked,
            "domainName": domain,
            "identity": {"sourceIp": "192.0.2.7"},
        },
        "body": None,
        "isBase64Encoded": False,
    } | changes


def http_api(
    path: str = "/default/", domain: str = DOMAIN, route: str = "$default", proxy: str = "", **changes
) -> dict:
    """As an HTTP API with payload version 2.0 sends it; its path has the stage."""
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "cookies": [],
        "headers": {"host": domain},
        "pathParameters": {"proxy": proxy} if proxy else None,
        "requestContext": {
            "stage": "default",
            "domainName": domain,
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7"},
        },
        "body": None,
        "isBase64Encoded": False,
    } | changes


def balancer(path: str = "/", **changes) -> dict:
    """As a load balancer sends it that is not set to several values."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…"}},
        "httpMethod": "GET",
        "path": path,
        "queryStringParameters": {},
        "headers": {
            "host": "balancer.example",
            "x-forwarded-for": "6.6.6.6, 192.0.2.7",
            "x-forwarded-proto": "https",
            "x-forwarded-port": "443",
        },
        "body": "",
        "isBase64Encoded": False,
    } | changes


def seen(event: dict) -> dict:
    answer = handler(event, None)
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def place(event: dict) -> tuple[str, str]:
    understood = seen(event)
    return understood["script"], understood["path"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (rest("/"), ("/default", "/")),
        (rest("/videos"), ("/default", "/videos")),
        (rest("/admin/"), ("/default", "/admin/")),
        (rest("/videos", OWN_DOMAIN), ("", "/videos")),
        (rest("/", OWN_DOMAIN), ("", "/")),
        (rest("/videos", OWN_DOMAIN, "/v1"), ("/v1", "/videos")),
        (rest("/admin/", OWN_DOMAIN, "/v1"), ("/v1", "/admin/")),
        (rest("/", OWN_DOMAIN, "/v1"), ("/v1", "/")),
        (http_api("/default"), ("/default", "/")),
        (http_api("/default/"), ("/default", "/")),
        (http_api("/default/videos"), ("/default", "/videos")),
        (http_api("/defaults/videos"), ("", "/defaults/videos")),
        (http_api("/videos", OWN_DOMAIN), ("", "/videos")),
        (http_api("/default/videos", OWN_DOMAIN), ("", "/videos")),
        (http_api("/v1/videos", OWN_DOMAIN, "ANY /{proxy+}", "videos"), ("/v1", "/videos")),
        (http_api("/default/v1/videos", OWN_DOMAIN, "ANY /{proxy+}", "videos"), ("/v1", "/videos")),
        (balancer("/videos"), ("", "/videos")),
        (rest("/videos") | {"version": "1.0", "path": "/default/videos"}, ("/default", "/videos")),
        (rest("/videos") | {"pathParameters": {"proxy": "other"}}, ("/default", "/videos")),
        (rest("/videos/1") | {"pathParameters": {"proxy": "1"}}, ("/default", "/videos/1")),
        (rest("/videos") | {"requestContext": {"stage": "default"}}, ("/default", "/videos")),
        (rest("/videos") | {"path": "videos"}, ("/default", "/videos")),
        (rest("/videos", OWN_DOMAIN, "/v1") | {"path": "/videos", "resource": None}, ("/v1", "/videos")),
        (rest("/videos") | {"version": "0"}, ("/default", "/videos")),
    ],
)
def test_it_finds_where_the_api_begins(event, expected):
    assert place(event) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (rest("/yt-backend"), ("/default/yt-backend", "/")),
        (rest("/yt-backend/"), ("/default/yt-backend", "/")),
        (rest("/yt-backend/videos"), ("/default/yt-backend", "/videos")),
        (rest("/videos"), ("/default", "/videos")),
        (rest("/yt-backendish"), ("/default", "/yt-backendish")),
        (rest("/yt-backend") | {"resource": "/yt-backend"}, ("/default/yt-backend", "/")),
        (rest("/videos", OWN_DOMAIN, "/yt-backend"), ("/yt-backend", "/videos")),
        (rest("/", OWN_DOMAIN, "/yt-backend"), ("/yt-backend", "/")),
        (rest("/yt-backend", OWN_DOMAIN, "/v1") | {"resource": "/yt-backend"}, ("/v1/yt-backend", "/")),
        (rest("/yt-backend/", OWN_DOMAIN, "/v1") | {"resource": "/yt-backend"}, ("/v1/yt-backend", "/")),
        (http_api("/v1/yt-backend", OWN_DOMAIN, "ANY /yt-backend"), ("/v1/yt-backend", "/")),
        (http_api("/default/yt-backend", OWN_DOMAIN, "ANY /yt-backend"), ("/yt-backend", "/")),
        (rest("/yt-backend/videos", OWN_DOMAIN, "/v1"), ("/v1/yt-backend", "/videos")),
        (http_api("/default/yt-backend"), ("/default/yt-backend", "/")),
        (http_api("/default/yt-backend/videos"), ("/default/yt-backend", "/videos")),
        (http_api("/yt-backend/videos", OWN_DOMAIN), ("/yt-backend", "/videos")),
        (balancer("/yt-backend/videos"), ("/yt-backend", "/videos")),
    ],
)
def test_it_takes_the_functions_prefix_off(settings, event, expected):
    settings.API_BASE_PATH = "/yt-backend"

    assert place(event) == expected


def test_the_url_that_django_builds_is_the_one_that_the_client_asked_for():
    assert seen(rest("/videos"))["url"] == f"https://{DOMAIN}/default/videos"
    assert seen(http_api("/default/videos"))["url"] == f"https://{DOMAIN}/default/videos"
    assert seen(rest("/videos", OWN_DOMAIN, "/v1"))["url"] == f"https://{OWN_DOMAIN}/v1/videos"


@pytest.mark.parametrize("written", ["/videos/日本é", "/videos/%E6%97%A5%E6%9C%AC%C3%A9"])
def test_a_path_is_understood_encoded_and_decoded(written):
    assert seen(rest(written))["path"] == "/videos/日本é"
    assert seen(http_api(f"/default{written}"))["path"] == "/videos/日本é"
    assert seen(rest(written, OWN_DOMAIN, "/v1"))["path"] == "/videos/日本é"


def test_the_client_is_who_the_gateway_saw_and_not_who_it_says_it_is():
    spoofed = {"X-Forwarded-For": ["6.6.6.6, 192.0.2.7"], "Host": [DOMAIN]}

    assert seen(rest("/", multiValueHeaders=spoofed))["client"] == "192.0.2.7"
    assert seen(http_api(headers={"x-forwarded-for": "6.6.6.6", "host": DOMAIN}))["client"] == "192.0.2.7"
    assert seen(balancer("/"))["client"] == "192.0.2.7"


def test_a_client_cannot_say_that_it_speaks_plain_http():
    spoofed = {"X-Forwarded-Proto": ["http", "https"], "x-forwarded-proto": ["http"], "Host": [DOMAIN]}

    assert seen(rest("/", multiValueHeaders=spoofed))["url"].startswith("https://")
    assert seen(http_api(headers={"x-forwarded-proto": "http", "host": DOMAIN}))["url"].startswith("https://")


def test_behind_a_balancer_its_own_word_on_the_protocol_counts():
    plain = {"host": "balancer.example", "x-forwarded-proto": "https,http", "x-forwarded-port": "80"}

    assert seen(balancer("/", headers=plain))["url"] == "http://balancer.example/"


def test_a_client_cannot_say_which_port_it_speaks_to():
    spoofed = {"X-Forwarded-Port": ["81"], "x-forwarded-port": ["82"], "Host": [DOMAIN]}

    assert seen(rest("/", multiValueHeaders=spoofed))["headers"]["X-Forwarded-Port"] == "443"
    assert seen(http_api(headers={"x-forwarded-port": "81", "host": DOMAIN}))["headers"]["X-Forwarded-Port"] == "443"


def test_behind_a_balancer_its_own_word_on_the_port_counts():
    headers = {"host": "balancer.example", "x-forwarded-port": "81, 8443"}

    assert seen(balancer("/", headers=headers))["headers"]["X-Forwarded-Port"] == "8443"
    assert seen(balancer("/", headers={"host": "balancer.example"}))["headers"]["X-Forwarded-Port"] == "80"


def test_a_header_that_was_sent_in_two_cases_is_one_with_both_values():
    headers = {"Authorization": ["Bearer good"], "authorization": ["Bearer bad"], "Host": [DOMAIN]}

    assert seen(rest("/", multiValueHeaders=headers))["headers"]["Authorization"] == "Bearer good,Bearer bad"


def test_a_header_with_an_underscore_is_dropped():
    headers = {"Authorization": ["Bearer good"], "authorization_": ["x"], "X_Real": ["x"], "Host": [DOMAIN]}

    understood = seen(rest("/", multiValueHeaders=headers))["headers"]

    assert understood["Authorization"] == "Bearer good"
    assert "X-Real" not in understood


@pytest.mark.parametrize(
    "event",
    [
        rest("/", multiValueHeaders={"Cookie": ["a=1", "b=2"], "Host": [DOMAIN]}),
        rest("/", multiValueHeaders=None, headers={"cookie": "a=1; b=2", "Host": DOMAIN}),
        http_api(cookies=["a=1", "b=2"]),
    ],
)
def test_cookies_of_several_lines_are_all_there(event):
    assert seen(event)["cookies"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("event", [rest(), rest(multiValueHeaders=None), rest() | {"version": "1.0"}])
def test_each_cookie_that_is_set_has_its_line(event):
    assert len(handler(event, None)["multiValueHeaders"]["Set-Cookie"]) == 2


@pytest.mark.parametrize("event", [rest("/bytes"), http_api("/default/bytes"), balancer("/bytes")])
def test_what_is_not_text_is_carried_as_base64(event):
    answer = handler(event, None)

    assert answer["isBase64Encoded"] is True
    assert base64.b64decode(answer["body"]) == bytes(range(256))


@pytest.mark.parametrize("event", [rest("/subtitles"), http_api("/default/subtitles"), balancer("/subtitles")])
def test_subtitles_are_carried_as_text_and_not_a_third_larger(event):
    answer = handler(event, None)

    assert answer["isBase64Encoded"] is False
    assert "wörds" in answer["body"]


def test_an_http_api_gets_cookies_apart():
    assert len(handler(http_api(), None)["cookies"]) == 2


def test_a_balancer_gets_headers_as_it_sends_them():
    several = balancer(multiValueHeaders={"host": ["balancer.example"]})
    del several["headers"]

    assert "multiValueHeaders" not in handler(balancer(), None)
    assert "multiValueHeaders" not in handler(balancer(multiValueHeaders=None), None)
    assert "headers" not in handler(several, None)


def test_a_query_keeps_every_value():
    several = rest("/", multiValueQueryStringParameters={"a": ["1", "ü&="], "b": [""]})

    assert seen(several)["query"] == {"a": ["1", "ü&="], "b": [""]}
    assert seen(rest("/", queryStringParameters={"a": "1"}))["query"] == {"a": ["1"]}
    assert seen(http_api(rawQueryString="a=1&a=%C3%BC"))["query"] == {"a": ["1", "ü"]}
    assert seen(http_api(rawQueryString="a=ü"))["query"] == {"a": ["ü"]}


def test_a_body_is_read_as_text_and_as_base64():
    raw = bytes(range(256))
    encoded = base64.b64encode(raw).decode()

    assert seen(rest("/", httpMethod="POST", body="ü"))["body"] == base64.b64encode("ü".encode()).decode()
    assert seen(rest("/", httpMethod="POST", body=encoded, isBase64Encoded=True))["body"] == encoded


def test_a_body_that_only_says_that_it_is_base64_is_text():
    assert seen(rest("/", httpMethod="POST", body="abc", isBase64Encoded=True))["body"] == "YWJj"


def test_a_host_that_is_missing_is_the_gateways_domain():
    assert seen(rest("/", headers=None, multiValueHeaders=None))["url"] == f"https://{DOMAIN}/default/"


@pytest.mark.parametrize(
    "event",
    [
        rest("/", headers=[], multiValueHeaders=None),
        rest("/", multiValueHeaders=7),
        rest("/", requestContext="x"),
        rest("/", body={"url": "x"}),
        rest("/videos", OWN_DOMAIN, pathParameters="x"),
        http_api(headers="x"),
        [],
        "event",
        None,
    ],
)
def test_an_event_that_no_gateway_sends_is_refused_with_a_sentence(event):
    with pytest.raises(Refused, match=r"must be|is a JSON object"):
        handler(event, None)


@pytest.mark.parametrize(
    "event",
    [
        {"version": "2.0", "path": "/videos", "method": "GET", "requestContext": {"serviceArn": "arn:aws:vpc-lattice"}},
        {"messageVersion": "1.0", "agent": {"name": "x"}, "apiPath": "/videos", "httpMethod": "GET"},
    ],
)
def test_another_services_http_event_is_refused_and_not_answered_with_the_root(event):
    with pytest.raises(Refused, match="API Gateway"):
        handler(event, None)


@pytest.mark.parametrize(
    "absent", ["headers", "multiValueHeaders", "requestContext", "path", "resource", "pathParameters", "body"]
)
def test_what_a_gateway_leaves_out_is_not_missed(settings, absent):
    settings.ALLOWED_HOSTS = ["*"]

    assert handler({key: value for key, value in rest("/").items() if key != absent}, None)["statusCode"] == 200
    assert handler(rest("/") | {absent: None}, None)["statusCode"] == 200


@pytest.mark.parametrize("absent", ["headers", "requestContext", "rawPath", "rawQueryString", "cookies", "body"])
def test_what_an_http_api_leaves_out_is_not_missed(settings, absent):
    settings.ALLOWED_HOSTS = ["*"]

    assert handler({key: value for key, value in http_api().items() if key != absent}, None)["statusCode"] == 200
    assert handler(http_api() | {absent: None}, None)["statusCode"] == 200


def places(value: object, path: tuple = ()) -> list[tuple]:
    """The way to each value within a JSON document."""
    below = value.items() if isinstance(value, dict) else []
    return [path] * bool(path) + [way for key, inner in below for way in places(inner, (*path, key))]


def replaced(value: dict, way: tuple, by: object) -> dict:
    return {**value, way[0]: replaced(value[way[0]], way[1:], by) if way[1:] else by}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["2.0", "/", "%", "%ff", "\r\n"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=4,
)
ANY_EVENT = [rest("/videos", OWN_DOMAIN, "/v1"), http_api("/default/videos"), balancer("/videos")]


# A number makes a long run (python -m tests.guards events).
BROKEN_EVENTS = int(os.environ.get("BROKEN_EVENTS", "100"))


@pytest.mark.timeout(7200)
@settings(
    max_examples=BROKEN_EVENTS,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(event=st.sampled_from(ANY_EVENT), data=st.data())
def test_a_broken_event_is_answered_or_refused(event, data):
    for _ in range(data.draw(st.integers(1, 3))):
        event = replaced(event, data.draw(st.sampled_from(places(event))), data.draw(JSON))

    with contextlib.suppress(Refused):
        assert handler(event, None)["statusCode"] in (200, 400, 404, 405)


def test_code_from_outside_is_not_run(tmp_path):
    witness = tmp_path / "witness"

    with pytest.raises(Refused, match="zappa manage"):
        handler({"raw_command": f"open({str(witness)!r}, 'w')"}, None)
    assert not witness.exists()


def test_the_consoles_empty_event_is_answered():
    assert handler({}, None) == {"status": "ok"}


class Context:
    """Of an invocation with so much time left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> float:
        return self._seconds * 1000


def test_the_schedule_sweeps(capsys):
    lambda_handler.sweep({}, Context(29))

    assert "sent 0" in capsys.readouterr().out


@pytest.mark.parametrize(("left", "within"), [(29, 19), (5, 1)])
def test_a_sweep_ends_before_lambda_ends_it(monkeypatch, left, within):
    given = {}
    monkeypatch.setattr("django.core.management.call_command", lambda name, **options: given.update(options))

    lambda_handler.sweep({}, Context(left))

    assert given == {"within": within}


def test_an_event_of_a_path_alone_is_answered(settings):
    """As somebody types it into the console."""
    settings.ALLOWED_HOSTS = ["localhost"]

    assert handler({"httpMethod": "GET", "path": "/"}, None)["statusCode"] == 200


@pytest.mark.parametrize("event", [rest("/", body="\ud800"), http_api("/default/\ud800")])
def test_text_that_cannot_be_encoded_is_refused(event):
    with pytest.raises(Refused, match="cannot be encoded"):
        handler(event, None)
