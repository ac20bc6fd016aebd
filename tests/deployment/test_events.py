"""Every shape of event, through the packaged zip under Lambda's own runtime client."""

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest

from local.aws.fronts import Malformed, Request
from local.aws.gateway import send
from local.aws.lambda_runtime import LambdaRuntime
from tests import tokens
from tests.deployment import function
from tests.deployment.events import ALL_VALUES, PREFIX, WAYS, Way, header, mutilations, request, with_decoded_path
from tests.deployment.samples import SAMPLES

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
ICON = "static/drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png"


@pytest.fixture(scope="module")
def api(unpacked, tmp_path_factory, aws) -> Iterator[LambdaRuntime]:
    """With a database and a queue, answering also what it has seen."""
    folder = tmp_path_factory.mktemp("function")
    with function.running(unpacked, folder, AWS_ENDPOINT_URL=aws, **function.observing()) as runtime:
        assert runtime.invoke({"manage": "migrate --noinput --verbosity=0"}).error is None
        yield runtime
        assert runtime.alive, runtime.log()


def seen(api: LambdaRuntime, way: Way, sent: Request) -> dict[str, Any]:
    answer = send(way.front, api.invoke, sent)
    assert answer.status == 200, answer
    return json.loads(answer.body)


# --- Where the API begins


@every_way
@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_it_answers_at_its_root_with_addresses_that_lead_back(api, way, prefix):
    answer = send(way.front, api.invoke, request(way.start + prefix or "/"))

    assert answer.status == 200
    assert json.loads(answer.body)["docs"] == f"{way.url}{prefix}/docs"


@every_way
def test_it_answers_at_its_root_with_a_slash_behind_it(api, way):
    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/"))

    assert (answer.status, json.loads(answer.body)["docs"]) == (200, f"{way.url}{PREFIX}/docs")


@every_way
@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_it_finds_what_lies_below_its_root(api, way, prefix):
    found = seen(api, way, request(f"{way.start}{prefix}/seen/a/b"))

    assert (found["script_name"], found["path_info"]) == (f"{way.told}{prefix}", "/seen/a/b")
    assert found["url"] == f"{way.url}{prefix}/seen/a/b"


@every_way
def test_it_takes_what_only_begins_like_its_prefix_for_something_else(api, way):
    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}ish/seen"))

    assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found")


@every_way
def test_it_redirects_to_an_address_that_the_client_can_reach(api, way):
    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/admin"))

    assert (answer.status, header(answer, "Location")) == (302, [f"{way.told}{PREFIX}/admin/"])


@pytest.mark.parametrize(
    ("path", "resource"), [("/default", "/"), ("/default/", "/"), ("/default/health", "/{proxy+}")]
)
def test_the_stage_of_a_rest_api_is_its_root_and_the_rest_its_proxy_resource(api, path, resource):
    way = WAYS["REST API"]

    event = way.front.event(request(path))

    assert isinstance(event, dict)
    assert event["resource"] == resource
    assert send(way.front, api.invoke, request(path)).status == 200


# --- What a request carries


@pytest.mark.parametrize("way", ALL_VALUES.values(), ids=ALL_VALUES)
def test_it_sees_every_value_of_a_query(api, way):
    found = seen(api, way, request(f"{way.start}/seen?a=1&a=2&b=x%26y%20z&c=&d=%C3%A9"))

    assert found["query"] == {"a": ["1", "2"], "b": ["x&y z"], "c": [""], "d": ["é"]}


def test_it_sees_the_last_value_of_a_query_behind_a_load_balancer_that_keeps_one(api):
    found = seen(api, WAYS["load balancer"], request("/seen?a=1&a=2&b=x%26y%20z"))

    assert found["query"] == {"a": ["2"], "b": ["x&y z"]}


@pytest.mark.parametrize("way", ALL_VALUES.values(), ids=ALL_VALUES)
def test_it_sees_every_value_of_a_header(api, way):
    sent = Request(target=f"{way.start}/seen", headers=(("X-Several", "one"), ("X-Several", "two")))

    assert seen(api, way, sent)["headers"]["X-Several"].replace(" ", "") == "one,two"


@every_way
@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-www-form-urlencoded"])
def test_it_gets_a_body_of_bytes_as_it_was_sent(api, way, kind):
    body = bytes(range(256))

    found = seen(api, way, request(f"{way.start}/seen", "POST", body, Content_Type=kind))

    assert base64.b64decode(found["body"]) == body


@every_way
def test_it_gets_a_body_of_text_as_it_was_sent(api, way):
    body = '{"é": "日本"}'.encode()

    found = seen(api, way, request(f"{way.start}/seen", "POST", body, Content_Type="application/json"))

    assert base64.b64decode(found["body"]) == body


@pytest.mark.parametrize("way", ALL_VALUES.values(), ids=ALL_VALUES)
def test_it_sees_the_cookies_of_several_lines(api, way):
    sent = Request(target=f"{way.start}/seen", headers=(("Cookie", "a=1; b=2"), ("Cookie", "c=3")))

    assert seen(api, way, sent)["cookies"] == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("way", ALL_VALUES.values(), ids=ALL_VALUES)
def test_it_sets_several_cookies(api, way):
    answer = send(way.front, api.invoke, request(f"{way.start}/cookies"))

    assert [cookie.split(";")[0] for cookie in header(answer, "Set-Cookie")] == ["first=1", "second=2"]


PLACES = ["café/日本 x", "a%2Fb", "100%", "plus+sign", "semi;colon", "~tilde"]


@every_way
@pytest.mark.parametrize("place", [place for place in PLACES if "%" not in place])
def test_it_understands_an_encoded_path(api, way, place):
    found = seen(api, way, request(f"{way.start}{PREFIX}/seen/{quote(place)}"))

    assert found["path_info"] == f"/seen/{place}"


@every_way
@pytest.mark.parametrize("place", [place for place in PLACES if "%" not in place])
def test_it_understands_a_path_that_the_gateway_has_decoded(api, way, place):
    event = way.front.event(request(f"{way.start}{PREFIX}/seen/{quote(place)}"))
    decoded = with_decoded_path(event, unquote(event.get("rawPath") or event["path"]))

    answer = way.front.answer(api.invoke(decoded).answer)

    assert json.loads(answer.body)["path_info"] == f"/seen/{place}"


# --- Who is calling

SPOOFED: dict[str, Any] = {
    "X_Forwarded_For": "6.6.6.6",
    "X_Forwarded_Proto": "http",
    "X_Forwarded_Port": "80",
    "X_Forwarded_Host": "evil.example",
    "Forwarded": "for=6.6.6.6;host=evil.example;proto=http",
    "X_Real_IP": "6.6.6.6",
}


@every_way
def test_it_takes_the_clients_address_from_the_gateway_and_not_from_the_client(api, way):
    found = seen(api, way, request(f"{way.start}/seen", **SPOOFED))

    assert found["client"] == Request().client


@every_way
def test_it_takes_its_own_address_from_the_gateway_and_not_from_the_client(api, way):
    found = seen(api, way, request(f"{way.start}/seen", **SPOOFED, Host="evil.example"))

    assert (found["secure"], found["host"], found["url"]) == (True, way.host, f"{way.url}/seen")


@every_way
@pytest.mark.parametrize("name", ["X_Forwarded_Proto", "x_forwarded_for", "Content_Type", "X_Amzn_Trace_Id", "_"])
def test_it_ignores_headers_whose_names_would_pass_for_others(api, way, name):
    plain = request(f"{way.start}/seen", Content_Type="text/plain")
    sent = plain._replace(headers=(*plain.headers, (name, "spoofed")))

    assert "spoofed" not in json.dumps(seen(api, way, sent))


# --- What an answer carries


@every_way
def test_it_answers_a_preflight_of_the_front_end(api, way):
    asked: dict[str, Any] = {"Origin": "https://shri.software", "Access_Control_Request_Method": "POST"}

    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/analyze", "OPTIONS", **asked))

    assert (answer.status, header(answer, "Access-Control-Allow-Origin")) == (200, ["https://shri.software"])
    assert "POST" in header(answer, "Access-Control-Allow-Methods")[0]


@every_way
def test_it_allows_nothing_to_other_origins(api, way):
    asked: dict[str, Any] = {"Origin": "https://evil.example", "Access_Control_Request_Method": "POST"}

    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/analyze", "OPTIONS", **asked))

    assert header(answer, "Access-Control-Allow-Origin") == []


@every_way
def test_it_answers_head_like_get_without_a_body(api, way):
    got = send(way.front, api.invoke, request(f"{way.start}{PREFIX}"))
    head = send(way.front, api.invoke, request(f"{way.start}{PREFIX}", "HEAD"))

    assert (head.status, head.body) == (200, b"")
    assert header(head, "Content-Type") == header(got, "Content-Type")


@every_way
def test_it_serves_a_picture_byte_by_byte(api, unpacked, way):
    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/{ICON}"))

    assert (answer.status, header(answer, "Content-Type")) == (200, ["image/png"])
    assert answer.body == (unpacked / "drf_spectacular_sidecar" / ICON).read_bytes()


@every_way
def test_it_answers_packed_bytes_under_a_type_of_text(api, way):
    answer = send(way.front, api.invoke, request(f"{way.start}/packed"))

    assert answer.body == bytes(range(256))


@every_way
@pytest.mark.parametrize("size", [20_000, 700_000])
def test_it_refuses_a_large_body_as_a_problem(api, way, size):
    body = b'{"url": "%s"}' % (b"x" * size)
    auth: dict[str, Any] = {"Authorization": f"Bearer {tokens.id_token()}", "Content_Type": "application/json"}

    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/analyze", "POST", body, **auth))

    assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")


@every_way
def test_a_body_that_lambda_itself_refuses_does_no_harm(api, way):
    huge = send(way.front, api.invoke, request(f"{way.start}/seen", "POST", b"x" * 7_000_000))

    assert huge.status == 413
    assert send(way.front, api.invoke, request(f"{way.start}{PREFIX}")).status == 200


@every_way
def test_a_stranger_is_told_how_to_sign_in(api, way):
    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/me"))

    assert (answer.status, header(answer, "WWW-Authenticate")) == (401, ['Bearer realm="shri"'])


@every_way
def test_a_user_is_known_by_a_token(api, way):
    auth: dict[str, Any] = {"Authorization": f"Bearer {tokens.id_token(tokens.ALICE, email='alice@example.com')}"}

    answer = send(way.front, api.invoke, request(f"{way.start}{PREFIX}/me", **auth))

    assert (answer.status, json.loads(answer.body)["email"]) == (200, "alice@example.com")


# --- Odd events


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_it_understands_what_consoles_and_health_checks_and_function_urls_send(api, sample):
    outcome = api.invoke(sample.event)

    assert outcome.error is None
    assert outcome.answer["statusCode"] == 200
    found = json.loads(outcome.answer["body"])
    if sample.path_info == "/":
        assert found["docs"].endswith(f"{sample.script_name}/docs")
    else:
        understood = (found["script_name"], found["path_info"], found["client"], found["query"])
        assert understood == (sample.script_name, sample.path_info, sample.client, sample.query)


# --- Broken events


@every_way
def test_a_broken_event_is_answered_or_refused_and_the_next_one_is_served(api, way):
    cookie, kind = "a=1; b=2", "application/json"
    whole = way.front.event(
        request(f"{way.start}{PREFIX}/seen/a?b=c&b=d", "POST", b"{}", Cookie=cookie, Content_Type=kind)
    )
    bad = [f"{what}: {problem}" for what, event in mutilations(whole) if (problem := _trouble(api, way, event))]

    assert bad == []
    assert send(way.front, api.invoke, request(f"{way.start}{PREFIX}")).status == 200


def _trouble(api: LambdaRuntime, way: Way, event: dict[str, Any]) -> str:
    """What is wrong with how an event was taken; empty where it was answered, or refused in words."""
    outcome = api.invoke(event)
    if outcome.error:
        refused = outcome.error["errorType"] == "Refused" and outcome.error["errorMessage"]
        return "" if refused else f"{outcome.error['errorType']}: {outcome.error['errorMessage'][:200]}"
    if outcome.answer is None or "statusCode" not in outcome.answer:
        return "no answer" if "httpMethod" in event or "rawPath" in event else ""
    try:
        answer = way.front.answer(outcome.answer)
    except Malformed as error:
        return f"malformed answer: {error}"
    return f"{answer.status} {answer.body[:200]!r}" if answer.status >= 500 else ""


@pytest.mark.parametrize("event", [None, [], "text", 7, True, [{"httpMethod": "GET"}]], ids=repr)
def test_what_is_no_event_is_refused_in_words(api, event):
    outcome = api.invoke(event)

    assert outcome.error["errorType"] == "Refused"
    assert "JSON object" in outcome.error["errorMessage"]


def test_the_consoles_empty_test_event_is_answered(api):
    assert api.invoke({}).answer == {"status": "ok"}


# --- What is not HTTP


def test_zappa_manage_runs_a_command(api):
    outcome = api.invoke({"manage": "check"})

    assert outcome.error is None
    assert "no issues" in outcome.log


@pytest.mark.parametrize("command", ["no_such_command", "migrate videos 9999_never", "sweep --every"])
def test_zappa_manage_reports_a_command_that_fails(api, command):
    outcome = api.invoke({"manage": command})

    assert outcome.error is not None
    assert api.alive


def test_zappa_invoke_calls_a_function(api):
    outcome = api.invoke({"command": "platform.python_version"})

    assert outcome.answer.startswith("3.13.")


def test_code_from_outside_is_not_run(api, tmp_path):
    outcome = api.invoke({"raw_command": f"open({str(tmp_path / 'proof')!r}, 'w')"})

    assert outcome.error["errorType"] == "Refused"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("also", [{"httpMethod": "GET"}, {"requestContext": {}}, {"Records": []}, {"manage": "check"}])
def test_code_from_outside_is_not_run_in_disguise(api, tmp_path, also):
    api.invoke({"raw_command": f"open({str(tmp_path / 'proof')!r}, 'w')"} | also)

    assert list(tmp_path.iterdir()) == []


def test_the_schedule_sweeps(api):
    outcome = api.invoke(scheduled("yt-backend-default-ytbackend.lambda_handler.sweep"))

    assert outcome.error is None, outcome.error


def test_an_unknown_schedule_is_an_error_and_not_a_crash(api):
    outcome = api.invoke(scheduled("yt-backend-default-nowhere.to_be_found"))

    assert outcome.error is not None
    assert api.alive


def scheduled(rule: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-22T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:123456789012:rule/{rule}"],
        "detail": {},
        "kwargs": {},
    }


def test_records_of_a_queue_that_nobody_has_connected_do_no_harm(api):
    record = {
        "messageId": str(uuid.uuid4()),
        "receiptHandle": "r",
        "body": json.dumps({"video_id": str(uuid.uuid4()), "url": "https://youtu.be/x", "user_id": "u"}),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:yt-backend-jobs",
        "awsRegion": "us-east-1",
    }

    api.invoke({"Records": [record]})

    assert send(WAYS["REST API"].front, api.invoke, request(f"/default{PREFIX}")).status == 200
