"""What browsers are told with every answer: who may read it, frame it, keep it; and whose host it is."""

from collections.abc import Callable

import pytest
from django.contrib.admin import site
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import User
from tests import builders
from transcripts.segments import Segment
from ytbackend import env

pytestmark = pytest.mark.django_db

OURS = "https://shri.software"
STRANGE_ORIGINS = [
    "null",
    "*",
    "",
    " ",
    "https://www.shri.software",
    "https://api.shri.software",
    "https://evil.shri.software",
    "https://shri.software.evil.example",
    "https://shri.softwareevil.example",
    "https://evilshri.software",
    "https://evil-shri.software",
    "https://shri-software",
    "https://shriXsoftware",
    "https://shri.softwar",
    "https://shri.software.",
    "http://shri.software",
    "ws://shri.software",
    "wss://shri.software",
    "ftp://shri.software",
    "file://shri.software",
    "chrome-extension://shri.software",
    "//shri.software",
    "shri.software",
    "https:shri.software",
    "https:/shri.software",
    "https:///shri.software",
    "https://shri.software:443",
    "https://shri.software:8443",
    "https://shri.software:",
    "https://shri.software/",
    "https://shri.software/path",
    "https://shri.software?",
    "https://shri.software#",
    "https://shri.software\\",
    "https://shri.software%00",
    "https://shri.software\x00",
    "https://shri.software\t",
    "https://shri.software https://evil.example",
    "https://shri.software,https://evil.example",
    "https://shri.software, https://shri.software",
    "HTTPS://SHRI.SOFTWARE",
    "https://SHRI.software",
    "Https://shri.software",
    "https://user@shri.software",
    "https://user:password@shri.software",
    "https://shri.software@evil.example",
    "https://evil.example#@shri.software",
    "https://evil.example/https://shri.software",
    "https://evil.example?https://shri.software",
    "https://shri\u3002software",
    "https://\u0455hri.software",
    "https://xn--shri-software",
    "https://[::1",
    "https://127.0.0.1",
    "http://localhost",
    "http://localhost:3000",
    "x" * 9000,
]


def read(answer: HttpResponse) -> HttpResponse:
    """To its end, which closes the file that it comes from."""
    if answer.streaming:
        b"".join(answer)
    return answer


Ask = Callable[..., HttpResponseBase]
ANSWERS: list[tuple[int, Ask]] = [
    (200, lambda client, **headers: client.get("/", **headers)),
    (200, lambda client, **headers: client.get("/health", **headers)),
    (200, lambda client, **headers: client.get("/schema", **headers)),
    (200, lambda client, **headers: client.get("/docs", **headers)),
    (200, lambda client, **headers: client.get("/admin/login/", **headers)),
    (200, lambda client, **headers: read(client.get("/static/admin/css/base.css", **headers))),
    (200, lambda client, **headers: client.get("/videos", **headers)),
    (302, lambda client, **headers: client.get("/admin/", **headers)),
    (400, lambda client, **headers: client.post("/analyze", "{", content_type="application/json", **headers)),
    (400, lambda client, **headers: client.get("/", HTTP_HOST="evil.example", **headers)),
    (401, lambda client, **headers: Client().get("/videos", **headers)),
    (403, lambda client, **headers: client.get("/failing/forbidden", **headers)),
    (404, lambda client, **headers: client.get("/nothing", **headers)),
    (404, lambda client, **headers: client.get("/static/nothing.css", **headers)),
    (404, lambda client, **headers: client.get("/videos/x", **headers)),
    (405, lambda client, **headers: client.put("/videos", **headers)),
    (406, lambda client, **headers: client.get("/videos", **headers, HTTP_ACCEPT="image/png")),
    (413, lambda client, **headers: client.post("/analyze", "x" * 20_000, content_type="application/json", **headers)),
    (415, lambda client, **headers: client.post("/analyze", "x", content_type="text/plain", **headers)),
    (429, lambda client, **headers: client.get("/failing/throttled", **headers)),
    (500, lambda client, **headers: client.get("/failing/bug", **headers)),
    (503, lambda client, **headers: client.get("/failing/database", **headers)),
]  # fmt: skip
IDS = [f"{status}-{number}" for number, (status, _) in enumerate(ANSWERS)]


@pytest.fixture(autouse=True)
def _failing(settings, alice):
    settings.ROOT_URLCONF = "tests.ytbackend.failing_urls"
    alice.raise_request_exception = False


def preflight(client, origin: str, address: str = "/analyze", **headers) -> HttpResponse:
    return client.options(address, HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST", **headers)


def cors_headers(answer: HttpResponse) -> set[str]:
    return {name.lower() for name in answer.headers if name.lower().startswith("access-control-")}


# --- CORS


@pytest.mark.parametrize(("status", "ask"), ANSWERS, ids=IDS)
def test_the_frontend_reads_every_answer(alice, status, ask):
    answer = ask(alice, HTTP_ORIGIN=OURS)

    assert answer.status_code == status
    assert answer["Access-Control-Allow-Origin"] == OURS
    assert "origin" in answer["Vary"].lower()
    assert "Access-Control-Allow-Credentials" not in answer
    assert "X-Request-Id" in answer["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(("status", "ask"), ANSWERS, ids=IDS)
def test_nobody_else_reads_any(alice, status, ask):
    for origin in STRANGE_ORIGINS:
        answer = ask(alice, HTTP_ORIGIN=origin)

        assert (origin, answer.status_code) == (origin, status)
        assert (origin, cors_headers(answer)) == (origin, set())
        assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize("address", ["/analyze", "/videos/x", "/nothing", "/admin/", "/static/admin/css/base.css"])
def test_the_frontend_alone_is_answered_before_it_asks(stranger, address):
    ours = preflight(stranger, OURS, address)
    others = [preflight(stranger, origin, address) for origin in STRANGE_ORIGINS]

    assert ours["Access-Control-Allow-Origin"] == OURS
    assert "authorization" in ours["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in ours
    assert [cors_headers(answer) for answer in others] == [set()] * len(others)
    assert all("origin" in answer["Vary"].lower() for answer in [ours, *others])


def test_every_configured_origin_is_let_in_and_no_other(stranger, settings):
    settings.CORS_ALLOWED_ORIGINS = [OURS, "http://localhost:3000"]

    assert preflight(stranger, "http://localhost:3000")["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert preflight(stranger, OURS)["Access-Control-Allow-Origin"] == OURS
    assert cors_headers(preflight(stranger, "http://localhost:3001")) == set()


@pytest.mark.parametrize(
    "setting",
    ["https://shri.software", "http://localhost:3000, https://shri.software", "http://127.0.0.1:8000",
     "http://[::1]:3000", "https://xn--bcher-kva.example:8443"],
)  # fmt: skip
def test_origins_can_be_configured(monkeypatch, setting):
    monkeypatch.setenv("ORIGINS", setting)

    assert env.origins("ORIGINS") == [part.strip() for part in setting.split(",")]


@pytest.mark.parametrize(
    "setting",
    ["*", "null", "shri.software", "//shri.software", "https://", "https://*.shri.software", "https://shri.software/",
     "https://shri.software/app", "https://shri.software?x", "https://shri.software:443", "http://localhost:80",
     "https://shri.software:0", "https://shri.software:99999999", "HTTPS://shri.software", "https://Shri.software",
     "ftp://shri.software", "https://bücher.example", "https://shri.software https://other.example",
     "https://-x.example", "https://shri.software,*"],
)  # fmt: skip
def test_what_is_no_origin_stops_the_program_with_a_sentence(monkeypatch, setting):
    monkeypatch.setenv("ORIGINS", setting)

    with pytest.raises(ImproperlyConfigured, match=r"^ORIGINS has .*, which is no origin\. It must be like https://"):
        env.origins("ORIGINS")


def test_a_password_in_an_origin_is_not_repeated(monkeypatch):
    monkeypatch.setenv("ORIGINS", "https://user:hunter2@shri.software")

    with pytest.raises(ImproperlyConfigured) as refused:
        env.origins("ORIGINS")

    assert "hunter2" not in str(refused.value)


# --- Headers


@pytest.mark.parametrize(("status", "ask"), [*ANSWERS, (200, lambda client, **h: preflight(client, OURS, **h))])
def test_every_answer_tells_browsers_to_be_careful(alice, status, ask):
    answer = ask(alice, HTTP_X_FORWARDED_PROTO="https")

    assert answer.status_code == status
    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "microphone=()" in answer["Permissions-Policy"]
    policy = answer["Content-Security-Policy"]
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    unsafe = {word for word in policy.replace(";", " ").split() if "unsafe" in word}
    below_admin = answer.wsgi_request.path.startswith("/admin/")
    assert unsafe <= ({"'unsafe-eval'"} if below_admin else set())  # for the theme's Alpine
    assert "*" not in policy
    assert answer["X-Request-Id"]


@pytest.mark.parametrize(("status", "ask"), ANSWERS, ids=IDS)
def test_only_pages_for_people_may_load_anything(alice, status, ask):
    answer = ask(alice)

    may_load = "script-src" in answer["Content-Security-Policy"]

    assert may_load == answer.request["PATH_INFO"].startswith(("/docs", "/admin/"))


@pytest.mark.parametrize(("status", "ask"), ANSWERS, ids=IDS)
def test_only_what_is_the_same_for_all_is_kept(alice, status, ask):
    answer = ask(alice)
    path = answer.request["PATH_INFO"]

    is_kept = "no-store" not in answer["Cache-Control"]

    assert is_kept == (status == 200 and path.startswith(("/schema", "/docs", "/static/")))
    assert ("public" in answer["Cache-Control"]) == is_kept


def test_what_a_token_was_needed_for_is_never_kept(alice):
    video = builders.completed()

    for address in ("/me", "/videos", f"/videos/{video.pk}", f"/videos/{video.pk}/attempts", "/transcripts",
                    f"/videos/{video.pk}/transcript", f"/videos/{video.pk}/transcript?format=srt"):  # fmt: skip
        answer = alice.get(address)
        assert (address, answer.status_code, answer["Cache-Control"]) == (address, 200, "no-store")


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("txt", "text/plain; charset=utf-8"), ("srt", "application/x-subrip; charset=utf-8"),
     ("vtt", "text/vtt; charset=utf-8")],
)  # fmt: skip
def test_a_transcript_is_a_file_of_text_and_never_a_page(alice, format, media_type):
    video = builders.completed(segments=[Segment(0, 900, "<html><script>alert(1)</script>")])

    answer = alice.get(f"/videos/{video.pk}/transcript?format={format}")

    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == (media_type, "nosniff")
    assert answer["Content-Disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize(("status", "ask"), ANSWERS, ids=IDS)
def test_no_answer_of_the_api_can_be_taken_for_a_page(alice, status, ask):
    answer = ask(alice)
    path = answer.request["PATH_INFO"]

    is_page = answer["Content-Type"].startswith("text/html")

    assert is_page == path.startswith(("/docs", "/admin/"))
    assert answer["X-Content-Type-Options"] == "nosniff"


# --- Hosts


@pytest.mark.parametrize(
    "host",
    ["evil.example", "testserver.evil.example", "eviltestserver", "testserver@evil.example", "evil.example@testserver",
     "user:password@testserver", "testserver\x00", "\x00", "test server", "testserver/", "testserver:port", "[::1",
     "x" * 100_000, "testserver,evil.example", "evil.example:80", "localhost", "10.0.0.1", "*", "ö.example", "..",
     "testserver\r\nX-Injected: 1"],
    ids=lambda host: host[:24].encode("unicode_escape").decode(),
)  # fmt: skip
@pytest.mark.parametrize(
    "address", ["/", "/videos", "/nothing", "/docs", "/admin/login/", "/static/admin/css/base.css"]
)
def test_another_host_is_a_bad_request(stranger, address, host):
    answer = stranger.get(address, HTTP_HOST=host)

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "bad_request"
    assert "evil" not in answer.content.decode()


def test_another_host_is_a_bad_request_before_the_frontend_asks(stranger):
    assert preflight(stranger, OURS, HTTP_HOST="evil.example").status_code == 400


def test_a_host_that_was_forwarded_is_not_believed(stranger):
    answer = stranger.get("/", HTTP_X_FORWARDED_HOST="evil.example", HTTP_FORWARDED="host=evil.example")

    assert answer.status_code == 200
    assert "evil" not in answer.content.decode()


# --- The admin is no part of the API


def admin_addresses(patterns, before: str = "/admin/") -> set[str]:
    """Every address below the admin, with something in each place of a pattern."""
    found = set()
    for pattern in patterns:
        part = str(pattern.pattern)
        for converter in ("<path:object_id>", "<int:content_type_id>", "<path:object_id>", "<str:url>"):
            part = part.replace(converter, "1")
        part = part.replace("(?P<url>.*)$", "x").lstrip("^").replace("(?P<app_label>", "").removesuffix("$")
        address = before + part
        found |= admin_addresses(pattern.url_patterns, address) if hasattr(pattern, "url_patterns") else {address}
    return found


def test_a_valid_token_opens_no_page_of_the_admin(alice):
    addresses = admin_addresses(site.urls[0]) | {"/admin"}
    open_to_all = {"/admin/login/", "/admin/jsi18n/"}

    assert len(addresses) > 30
    for address in sorted(addresses - open_to_all):
        for method in ("get", "post"):
            answer = getattr(alice, method)(address)
            assert (address, method, answer.status_code) in {
                (address, method, status) for status in (301, 302, 403, 404, 405)
            }
            assert answer.get("Location", "/admin/").startswith("/admin/")


def test_the_session_of_somebody_who_is_no_staff_opens_no_page_either(alice):
    alice.get("/me")
    browser = Client()
    browser.force_login(User.objects.get())

    answers = {address: browser.get(address).status_code for address in admin_addresses(site.urls[0])}

    assert {address for address, status in answers.items() if status == 200} == {"/admin/login/"}
