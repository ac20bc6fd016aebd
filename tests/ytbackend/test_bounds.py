"""How much, how deep, how long, how odd: beyond its bounds a request gets a clean 4xx with a sentence."""

import json
from typing import Any

import pytest
from django.conf import settings

from tests import builders
from tests.guards import document
from tests.guards.table import BODIES, TRIED, Ids
from tests.guards.wire import ask
from tests.tokens import id_token

pytestmark = pytest.mark.django_db

OPERATIONS = {operation.name: operation for operation in document.operations()}
WITH_A_BODY = [name for name, operation in OPERATIONS.items() if operation.takes_a_body]
WITH_AN_ID = [name for name, kinds in TRIED.items() if any(isinstance(kind, Ids) for kind in kinds.values())]
LISTS = [name for name, kinds in TRIED.items() if "query page_size" in kinds]

every_body = pytest.mark.parametrize("name", WITH_A_BODY)
every_list = pytest.mark.parametrize("name", LISTS)


def to(name: str, query: str = "", *, id: str = "00000000-0000-4000-8000-000000000000", **how):
    """An answer of this operation; ``id`` in whatever way it is written."""
    operation = OPERATIONS[name]
    path = operation.path
    for parameter in TRIED[name]:
        if parameter.startswith("path "):
            path = path.replace("{" + parameter.removeprefix("path ") + "}", id.encode().decode("latin-1"))
    if operation.takes_a_body:
        how.setdefault("body", json.dumps(BODIES[name]).encode())
    return ask(operation.method.upper(), path, query, **how)


# --- bodies


@pytest.mark.parametrize("size", [settings.MAX_BODY_BYTES + 1, 1_000_000])
def test_a_large_body_is_refused_wherever_it_is_sent(size):
    for name in OPERATIONS:
        answer = to(name, body=b" " * size)

        assert (name, answer.status, answer.problem["code"]) == (name, 413, "body_too_large")


@every_body
def test_a_large_body_is_not_read_further_than_it_may_go(name):
    answer = to(name, body=b" " * 100_000, announced="5000000000")

    assert answer.status == 413


@pytest.mark.parametrize(
    "name", [name for name in WITH_A_BODY if OPERATIONS[name].described["requestBody"].get("required")]
)
def test_a_body_without_a_length_is_none(name):
    """A server takes chunks apart and says how long they were, or it has no length and nothing may be read."""
    assert to(name, announced=None).problem["code"] == "invalid_request"


@every_body
@pytest.mark.parametrize("length", ["-1", "+5", "0x10", "1e3", "5, 5", " 5", "abc", "٣", "9" * 5000])
def test_a_length_that_is_none_is_refused(name, length):
    assert to(name, announced=length.encode().decode("latin-1")).problem["status"] in (400, 413)


@every_body
@pytest.mark.parametrize(
    ("body", "code"),
    {
        "deep": (b"[" * 8000 + b"]" * 8000, "malformed_json"),
        "deep within": (b'{"url": ' + b'{"a":' * 9 + b"1" + b"}" * 10, "malformed_json"),
        "deep without an end": (b"[" * 16_000, "malformed_json"),
        "half a character": (b'{"url": "\\ud800"}', "malformed_json"),
        "half a character in a name": (b'{"\\udfff": 1}', "malformed_json"),
        "half a character far below": (b'{"a": [{"b": "\\ud83d"}]}', "malformed_json"),
        "halves in the wrong order": (b'{"a": "\\udc00\\ud800"}', "malformed_json"),
        "a name twice": (b'{"url": "a", "url": "b"}', "malformed_json"),
        "a name twice, written in two ways": (b'{"url": "a", "\\u0075rl": "b"}', "malformed_json"),
        "a name twice within": (b'{"a": {"b": 1, "b": 2}}', "malformed_json"),
        "no text at all": (b"\xff\xfe{\x00}\x00", "malformed_json"),
        "a byte order mark": (b"\xef\xbb\xbf{}", "malformed_json"),
        "a NUL after it": (b"{}\x00", "malformed_json"),
        "a NUL in a name": (b'{"\\u0000": 1}', "invalid_request"),
        "a long number": (b'{"url": ' + b"9" * 10_000 + b"}", "malformed_json"),
        "a large number": (b'{"url": 1e400}', "invalid_request"),
        "no number": (b'{"url": NaN}', "malformed_json"),
        "infinity": (b'{"url": -Infinity}', "malformed_json"),
        "null": (b"null", "invalid_request"),
        "a list": (b"[]", "invalid_request"),
        "text": (b'"url"', "invalid_request"),
        "true": (b"true", "invalid_request"),
        "a comment": (b"{} // url", "malformed_json"),
    }.values(),
)  # fmt: skip
def test_a_body_that_is_no_object_of_text_is_refused(name, body, code):
    answer = to(name, body=body)

    assert (answer.status, answer.problem["code"]) == (400, code)


@every_body
def test_of_many_complaints_some_are_told_and_the_answer_stays_small(name):
    body = json.dumps({str(number): 1 for number in range(1500)}).encode()

    answer = to(name, body=body)

    assert len(answer.problem["errors"]) == 20
    assert len(answer.body) < len(body)


@every_body
@pytest.mark.parametrize(
    "field_value", [None, 7, True, 1.5, [], {}, ["x"], {"x": 1}, "x" * 15_000, "\x00", "", "\u202e"]
)
def test_a_field_of_the_wrong_kind_is_refused(name, field_value):
    for field in OPERATIONS[name].body:
        answer = to(name, body=json.dumps(BODIES[name] | {field: field_value}).encode())

        assert answer.status < 500
        assert answer.status < 400 or answer.problem["errors"][0]["pointer"].startswith(f"#/{field}")


@every_body
@pytest.mark.parametrize(
    "kind", ["", "/", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x" * 5000, "\xff\x00",
             "multipart/form-data; boundary=x", "application/json\r\nX-Injected: 1", "application/xml", "json"],
)  # fmt: skip
def test_a_body_that_does_not_say_that_it_is_json_is_refused(name, kind):
    assert to(name, CONTENT_TYPE=kind).problem["code"] == "unsupported_media_type"


# --- queries


@pytest.mark.parametrize("query", ["x" * 8192, "a=" + "%00" * 5000, "&" * 9000, "a=1&" * 5000])
def test_a_long_query_is_refused_everywhere(query):
    for name in OPERATIONS:
        answer = to(name, query)

        assert (name, answer.status, answer.problem["code"]) == (name, 414, "address_too_long")


@pytest.mark.parametrize("query", ["\xff", "%", "%zz=1", "%00=1", "=", "&&&", ";a=1",
                                   "a[]=1", "a[b]=1", "%ED%A0%80=%ff",
                                   "%E2%80%AE=1", "&".join(f"a{i}" for i in range(199))])  # fmt: skip
def test_an_odd_query_does_no_harm(query, sqs):
    for name in OPERATIONS:
        answer = to(name, query)

        assert answer.status < 500, name
        assert answer.status < 400 or answer.problem


@every_list
def test_more_parameters_than_a_form_has_are_refused(name):
    assert to(name, "&".join(f"a{i}" for i in range(250))).problem["code"] == "bad_request"


@every_list
@pytest.mark.parametrize("size", ["0", "-1", "101", "1000000000", "1e9", "9" * 5000, "1.0", "5_0", "%2B5", "%205",
                                  "5%00", "%D9%A3",
                                  "%F0%9D%9F%93", "0x10", "null", "true", "NaN", "[5]"])  # fmt: skip
def test_a_page_has_one_to_a_hundred_rows(name, size):
    answer = to(name, f"page_size={size}")

    assert [place["parameter"] for place in answer.problem["errors"]] == ["page_size"]


def test_a_parameter_is_said_once():
    for name, kinds in TRIED.items():
        for parameter in (key.removeprefix("query ") for key in kinds if key.startswith("query ")):
            place = to(name, f"{parameter}=x&{parameter}=y").problem["errors"]

            assert place == [{"parameter": parameter, "detail": "This stands more than once. Say it once."}]


@every_list
def test_a_parameter_that_nobody_knows_is_refused(name):
    assert to(name, "as_user=alice").problem["errors"][0]["parameter"] == "as_user"


# --- ids

ID = "a11ce000-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    "written",
    [ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", f" {ID}", f"{ID}\n", f"{ID}\x00", ID[:-1], f"{ID}0",
     f"{ID}.json", ID.replace("0", "٠"), ID.replace("a", "а"), ID.replace("-", "‐"), "0", "-1",
     "1 OR 1=1", "'", "*", "null", "..",
     "\x00", "\xff", "🙂", "0" * 3000, "a" * 7000, "%61", "None", "[]"],
)  # fmt: skip
def test_an_id_is_a_uuid_and_is_written_like_one(written):
    builders.failed(id=ID)

    for name in WITH_AN_ID:
        answer = to(name, id=written)

        assert (name, answer.status) == (name, 404)
        assert "with this id" in answer.problem["detail"]


def test_an_id_may_be_written_in_capitals():
    builders.failed(id=ID)

    assert to("get /videos/{id}", id=ID.upper()).status == 200


# --- paths and methods


@pytest.mark.parametrize(
    "path", ["//", "//videos", "/videos//", "/videos/../me", "/./videos", "/videos/.", "/\x00", "/videos\x00",
             "/\xff\xfe", "/videos;a=b", "/videos%2Fx", "/\x7f", "/\r\nX-Injected: 1", "videos",
             "/VIDEOS", "/videos/x/retry/",
             "/static/\x00", "/static/../ytbackend/settings.py", "/static/\xff", "/static/" + "x" * 5000, "/files/\x00",
             "/files/" + "x" * 5000, "/a" * 4000],
)  # fmt: skip
def test_an_odd_path_leads_nowhere(path):
    answer = ask("GET", path)

    assert (answer.status, answer.problem["code"]) == (404, "not_found")
    assert "X-Injected" not in answer.headers


@pytest.mark.parametrize("path", ["/" + "x" * 9000, "/videos/" + "x" * 9000, "/" + "\xe2\x82\xac" * 3000])
def test_a_long_path_is_refused(path):
    assert (ask("GET", path).status, ask("GET", path).problem["code"]) == (414, "address_too_long")


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "PROPFIND", "PUT", "PATCH", "QUERY", "GET ", "", "\x00", "\xff", "X" * 5000,
               "dispatch", "as_view", "__init__", "http_method_not_allowed"],
)  # fmt: skip
def test_a_method_that_is_not_there_is_refused(method):
    for name, operation in OPERATIONS.items():
        answer = ask(method, operation.path)

        assert (name, answer.status, answer.problem["code"]) == (name, 405, "method_not_allowed")


@pytest.mark.parametrize("header", ["HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_METHOD_OVERRIDE", "HTTP_X_HTTP_METHOD"])
@pytest.mark.parametrize("query", ["", "_method=DELETE"])
def test_a_header_does_not_change_the_method(header, query):
    video = builders.failed()

    override: dict[str, Any] = {header: "DELETE"}

    answer = ask("POST", f"/videos/{video.pk}", query, **override)

    assert answer.status == 405
    video.refresh_from_db()


# --- headers


@pytest.mark.parametrize(
    "headers",
    [{"HTTP_X": "y" * 40_000}, {f"HTTP_X{number}": "" for number in range(101)}, {"HTTP_COOKIE": "a=b; " * 8000},
     {"HTTP_ACCEPT": "a/b," * 9000}, {f"HTTP_{'X' * 400}{number}": "y" for number in range(90)}],
)  # fmt: skip
def test_more_headers_than_anybody_needs_are_refused_everywhere(headers):
    for name in OPERATIONS:
        answer = to(name, **headers)

        assert (name, answer.status, answer.problem["code"]) == (name, 431, "headers_too_large")


@pytest.mark.parametrize(
    ("header", "value"),
    [("ACCEPT", "x"), ("ACCEPT", "*"), ("ACCEPT", ","), ("ACCEPT", "\x00"), ("ACCEPT", "\xff/\xff"),
     ("ACCEPT", "text/*;q=x"), ("ACCEPT", "application/json;q=-1"), ("ACCEPT", "application/json; indent=x"),
     ("ACCEPT", "a/b;" + ";" * 3000),
     ("ACCEPT", "a/b," * 5000), ("ACCEPT_LANGUAGE", "\x00\xff," * 1000), ("ACCEPT_LANGUAGE", "x" * 9000),
     ("ACCEPT_CHARSET", "utf-16"), ("ACCEPT_ENCODING", "\x00"), ("COOKIE", "sessionid=\xff\x00"),
     ("COOKIE", ";=;=;" * 900), ("COOKIE", "csrftoken=" + "x" * 5000),
     ("ORIGIN", "\x00"), ("ORIGIN", "http://[::1"), ("RANGE", "bytes=0-"),
     ("IF_MODIFIED_SINCE", "x"), ("IF_NONE_MATCH", "\xff"), ("EXPECT", "100-continue"), ("X_FORWARDED_PROTO", "\x00"),
     ("X_FORWARDED_HOST", "evil.example"), ("REFERER", "\r\nX: y"), ("UPGRADE", "h2c"), ("CONTENT_ENCODING", "gzip")],
)  # fmt: skip
def test_an_odd_header_does_no_harm(header, value, sqs):
    for name in OPERATIONS:
        answer = to(name, **{f"HTTP_{header}": value})

        assert answer.status < 500, name
        assert answer.status < 400 or answer.problem
        assert "evil.example" not in str(answer)


def test_a_token_that_is_too_long_is_a_bad_token_and_not_a_large_header():
    assert ask("GET", "/me", token="x" * 100_000).status == 401


def test_a_token_of_usual_size_with_usual_headers_is_let_in():
    groups: dict[str, Any] = {"cognito:groups": ["a" * 40] * 60}
    token = id_token(**groups)

    assert ask("GET", "/me", token=token, HTTP_COOKIE="a=b; " * 500).status == 200


# --- what Django reads for the admin


def test_the_admin_takes_no_files(client, settings):
    settings.ADMIN_LOCAL_LOGIN = True
    with_a_file = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--x--\r\n'

    answer = client.generic("POST", "/admin/login/", with_a_file, content_type="multipart/form-data; boundary=x")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("form", ["a=1&" * 300, "a=" + "x" * 300_000])
def test_the_admin_takes_no_large_forms(client, settings, form):
    settings.ADMIN_LOCAL_LOGIN = True
    answer = client.generic("POST", "/admin/login/", form, content_type="application/x-www-form-urlencoded")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
