"""The log: one line for each thing that happened, whatever strangers wrote, and nothing in it that is secret."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts import api_key_text
from tests import builders, tokens
from transcripts.segments import Segment
from videos import facts
from ytbackend.log_lines import JsonFormatter, LineFormatter, one_line, without_secrets

ROOT = Path(__file__).parents[2]
HOSTILE = {
    "line breaks": "Bees\nERROR root: forged\r\nand more\x0b\x0c\x85\u2028\u2029",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "bidi": "\u202eexe.gpj\u202d\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "hidden": "\u200b\ufeff\u2060\U000e0041\u00ad",
    "halves and NUL": "\ud83d\x00\udcff",
}
TOKEN = tokens.id_token(tokens.ALICE, email="alice@example.com")
KEY = api_key_text.made()


@pytest.fixture(params=[LineFormatter, JsonFormatter])
def lines(request) -> Iterator[io.StringIO]:
    """What the service's handlers write, at the lowest level of all; for people and for machines."""
    yield from written_by(request.param())


@pytest.fixture
def objects() -> Iterator[io.StringIO]:
    """The same for machines alone."""
    yield from written_by(JsonFormatter())


def written_by(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


def raised(text: str) -> Exception:
    """As yt-dlp raises what YouTube has said."""
    error = RuntimeError(f"again: {text}")
    error.__cause__ = ValueError(text)
    error.add_note(f"noted: {text}")
    return error


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_strangers_write_stays_within_its_line(lines, text):
    log = logging.getLogger("videos.somewhere")

    log.warning("title %s", text)
    log.warning(text)
    log.error("failed", exc_info=raised(text))
    log.info("link", extra={"request": text})
    log.debug("where", stack_info=True)

    written = lines.getvalue().encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")
    assert written.count("\n") == 5 == len(written.splitlines())
    assert {unicodedata.category(letter)[0] for letter in written.replace("\n", "")} & {"C"} == set()
    assert "RuntimeError: again: " in written
    assert "noted: " in written


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_not_even_who_decodes_json_gets_what_a_terminal_obeys(objects, text):
    log = logging.getLogger("videos.somewhere")

    with facts.during(request_id=text, video_id=text):
        log.warning(text)
        log.error("failed", exc_info=raised(text))
        log.debug("where", stack_info=True)

    said = [json.loads(line) for line in objects.getvalue().splitlines()]
    for line in said:
        told = "".join(value.replace("\n", "") if name in ("exception", "stack") else str(value)
                       for name, value in line.items())  # fmt: skip
        assert {unicodedata.category(letter)[0] for letter in told} & {"C"} == set()
        assert not {"\u2028", "\u2029"} & set(told)
    assert said[0]["message"] == one_line(text)
    assert re.search(r"^RuntimeError: again: ", said[1]["exception"], re.MULTILINE)


def test_a_line_of_json_says_what_it_is_about(objects):
    with facts.during(request_id="r-1", user_id=lambda: "8b6c", attempt=2, video_id=None):
        logging.getLogger("videos.somewhere").warning("%d bees, 蜂", 3)
    logging.getLogger("videos.somewhere").info("nothing known")

    first, second = (json.loads(line) for line in objects.getvalue().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "WARNING", "logger": "videos.somewhere", "message": "3 bees, 蜂",
        "request_id": "r-1", "user_id": "8b6c", "attempt": 2,
    }  # fmt: skip
    assert second.keys() == {"time", "level", "logger", "message"}
    assert "3 bees, 蜂" in objects.getvalue()


def test_no_field_of_json_tells_a_secret(objects):
    text = f"Bearer {TOKEN} {KEY} alice@example.com http://user:hunter2@proxy only-for-tests"

    with facts.during(request_id=text):
        logging.getLogger("videos").error(text, exc_info=raised(text))

    (line,) = map(json.loads, objects.getvalue().splitlines())
    assert all("[hidden]" in line[name] for name in ("message", "request_id", "exception"))
    assert not re.search("eyJ|shri_|alice|hunter2|only-for-tests", objects.getvalue())


def test_no_line_tells_an_api_key(lines):
    logging.getLogger("videos").error("key %s of a script", KEY, exc_info=raised(f"?key={KEY}"))

    assert "key [key] of a script" in lines.getvalue()
    assert "shri_" not in lines.getvalue()


def test_a_stack_is_one_field_and_as_long_as_is_readable(objects):
    logging.getLogger("videos").error("failed", exc_info=raised("x" * 100_000))

    (line,) = map(json.loads, objects.getvalue().splitlines())
    assert line["message"] == "failed"
    assert line["exception"].endswith("x" * 1000)
    assert len(line["exception"]) <= 16_000


def test_words_in_every_script_stay_readable():
    assert one_line("Bienen, 蜂, пчёлы, نحل 🐝 naïve") == "Bienen, 蜂, пчёлы, نحل 🐝 naïve"


def test_a_line_break_can_still_be_told():
    assert one_line("a\nb\x1b[0m\u202e") == r"a\nb\x1b[0m\u202e"


def test_a_text_without_end_becomes_a_line_with_one():
    line = one_line("a" * 8_000 + "b" * 1_000_000 + "c" * 8_000)

    assert (len(line) < 17_000, line[:8_000] == "a" * 8_000, line[-8_000:] == "c" * 8_000) == (True, True, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"header Authorization: Bearer {TOKEN}", "header Authorization: [hidden]"),
        (f"{{'Authorization': 'Bearer {TOKEN}', 'Accept': 'a/b'}}", "{'Authorization': '[hidden]', 'Accept': 'a/b'}"),
        (f"bad token {TOKEN}!", "bad token [token]!"),
        (f"cut {TOKEN[:60]}…", "cut [token]"),
        (f"bad key {KEY}!", "bad key [key]!"),
        (f"cut {KEY[:20]}…", "cut [key]"),
        (f"key {KEY[: api_key_text.SHOWN_CHARACTERS]}…", f"key {KEY[: api_key_text.SHOWN_CHARACTERS]}…"),
        (f"?token={TOKEN}&x=1", "?token=[hidden]&x=1"),
        ("basic dXNlcjpodW50ZXIyaHVudGVyMg==", "basic [hidden]"),
        ("Cookie: sessionid=abc; csrftoken=def", "Cookie: [hidden]"),
        ("proxy http://user:hunter2@proxy.example:8080 refused", "proxy http://[hidden]@proxy.example:8080 refused"),
        ("mysql://api:hunter2@db/n", "mysql://[hidden]@db/n"),
        ("Duplicate entry 'alice.b+c@mail.example.com' for key", "Duplicate entry '[e-mail]' for key"),
        ("/f?X-Amz-Signature=abc&x-amz-security-token=q", "/f?X-Amz-Signature=[hidden]&x-amz-security-token=[hidden]"),
        ("sub 8b6c and code token_expired", "sub 8b6c and code token_expired"),
        ("Access denied for user 'app'@'10.0.0.1' (using password: YES)",
         "Access denied for user 'app'@'10.0.0.1' (using password: YES)"),
    ],
)  # fmt: skip
def test_what_opens_doors_is_taken_out(text, told):
    assert without_secrets(text) == told


def test_the_secrets_of_this_process_are_taken_out_wherever_they_stand(settings):
    settings.SECRET_KEY_FALLBACKS = ["the-former-key"]
    database = settings.DATABASES["default"]
    before = database.get("PASSWORD")
    database["PASSWORD"] = "p@ss:word"
    try:
        told = without_secrets("<only-for-tests> (the-former-key) p@ss:word")
    finally:
        database["PASSWORD"] = before

    assert told == "<[hidden]> ([hidden]) [hidden]"


@pytest.mark.django_db
def test_a_bug_with_a_token_in_hand_tells_nobody_about_it(lines, alice, settings):
    settings.ROOT_URLCONF = "tests.ytbackend.failing_urls"
    alice.raise_request_exception = False

    alice.get(f"/failing/bug?token={TOKEN}", HTTP_COOKIE="sessionid=a-session")
    alice.get("/videos", HTTP_X_EVIL="a\nb")
    alice.post("/analyze", {"url": "https://evil.example/\n\x1b[2J\u202e"})

    written = lines.getvalue()
    assert "RuntimeError: swordfish" in written
    assert not any(part in written for part in (TOKEN[:30], TOKEN[-30:], "a-session", "alice@example.com"))


@pytest.mark.django_db
def test_no_words_of_a_transcript_and_no_address_reach_the_log(lines, alice):
    video = builders.completed(segments=[Segment(0, 900, "the bees are restless tonight")])

    alice.get(f"/videos/{video.pk}/transcript")
    alice.get("/me")
    alice.delete(f"/videos/{video.pk}")

    assert "restless" not in lines.getvalue()
    assert "@example.com" not in lines.getvalue()


@pytest.mark.parametrize(
    ("variables", "formatter"),
    [
        ({"DJANGO_DEBUG": "true"}, "LineFormatter"),
        ({"DJANGO_DEBUG": "false"}, "JsonFormatter"),  # no terminal here
        ({"DJANGO_DEBUG": "false", "LOG_FORMAT": "text"}, "LineFormatter"),
        ({"DJANGO_DEBUG": "true", "LOG_FORMAT": "json"}, "JsonFormatter"),
    ],
)
def test_every_handler_there_is_writes_such_lines(variables, formatter, tmp_path):
    """In a process of its own: pytest puts handlers in that are not the service's."""
    script = """
import logging, django
django.setup()
logs = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
handlers = {handler for log in logs for handler in getattr(log, "handlers", ())}
print([type(h.formatter).__name__ for h in handlers if not isinstance(h, logging.NullHandler)])
for name in ("", "django", "django.server", "django.request", "django.security.DisallowedHost", "videos", "yt_dlp"):
    logging.getLogger(name).error("one\\ntwo %s", "\\x1b[2J\\u202e")
"""
    environment = {"DJANGO_SECRET_KEY": "k" * 50, "DATA_DIR": str(tmp_path),
                   "DJANGO_SETTINGS_MODULE": "ytbackend.settings", "LOG_LEVEL": "DEBUG", **variables}  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == f"['{formatter}']"
    lines = [line for line in done.stderr.splitlines() if "one" in line]
    is_json = formatter == "JsonFormatter"
    told = [json.loads(line)["message"] if is_json else line.partition(": ")[2] for line in lines]
    assert told == [r"one\ntwo \x1b[2J\u202e"] * 7


def test_a_terminal_gets_text(tmp_path):
    ours, theirs = os.openpty()
    environment = {"DJANGO_SECRET_KEY": "k" * 50, "DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    script = "from ytbackend import settings; print(settings.LOG_FORMAT)"
    with os.fdopen(ours), os.fdopen(theirs) as terminal:
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=terminal, check=True
        )

    assert done.stdout == b"text\n"


def test_not_even_debugging_tells_the_values_of_statements():
    assert logging.getLogger("django.db.backends").level == logging.INFO
    assert logging.getLogger("botocore").level == logging.WARNING
