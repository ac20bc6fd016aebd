"""What real processes log at the lowest level, while strangers write what they like and things go wrong."""

import json
import logging
import re
import unicodedata
from dataclasses import dataclass

import pytest

from tests import tokens
from tests.faults.hooks import Raise
from tests.faults.scenes import has_logged

pytestmark = pytest.mark.faults

FIELDS = {"time", "level", "logger", "message", "request_id", "user_id", "video_id", "attempt", "exception"}
HOSTILE = "Bees\n2026-01-01 00:00:00,000 ERROR root: forged\x1b[2J\u202egpj.exe"
REASON = f"Private {HOSTILE} token={'s' * 20}"


@dataclass(frozen=True)
class Loud:
    """The process tells all that it has to tell."""

    def install(self) -> None:
        logging.getLogger().setLevel(logging.DEBUG)


def test_every_line_is_one_and_none_tells_a_secret_or_a_transcript(world):
    clip = world.clip(words="the bees are restless tonight")
    clip.title = HOSTILE
    api, worker = world.api(Loud()), world.worker(Loud())
    video = world.submit(clip)
    world.wait_until(video, "completed")
    refused = world.submit(world.clip().refuse(REASON))
    world.wait_until(refused, "failed")
    bug = world.api(Loud(), world.hook("inserted", Raise(RuntimeError(f"{HOSTILE} {tokens.id_token()}"))))

    answers = [
        api.call("GET", f"/videos/{video.pk}/transcript").status,
        api.call("GET", f"/nothing/{'%0A%1b' * 3}").status,
        bug.call("POST", "/analyze", {"url": f"https://youtu.be/{world.clip().id}", "mode": "captions"}).status,
    ]
    world.wait_for(lambda: has_logged(bug, "RuntimeError"), "the log has the bug")

    assert answers == [200, 404, 500]
    lines = "".join(process.log() for process in (api, worker, bug)).split("\n")[:-1]
    told = [json.loads(line) for line in lines]
    assert set().union(*told) == FIELDS
    values = "".join(str(value) for line in told for value in line.values())
    assert "forged" in values
    assert {letter for letter in values if unicodedata.category(letter)[0] == "C"} == {"\n"}
    assert [name for line in told for name, value in line.items() if "\n" in str(value) and name != "exception"] == []
    assert not re.search("restless|eyJ|s{20}|@example", values)
    attempts = [line for line in told if line.get("video_id") == str(video.pk) and line.get("attempt")]
    assert {(line["user_id"], line["attempt"]) for line in attempts} == {(video.user_id, 1)}
