"""Whether the stacks answer the same: only then may their times be compared."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from benchmarks import events, rows
from benchmarks.surroundings import Surroundings

_OWN = ("id", "created_at", "updated_at", "url", "youtube_id", "thumbnail_url")  # each makes another


class Caller(Protocol):
    """What calls a stack's handler."""

    def call(self, asked: list[Any], *, answers: bool = False) -> Any:
        """See ``benchmarks/loop.py``."""


def compare(running: Mapping[str, Caller], around: Surroundings, stored: rows.Stored) -> dict[str, str]:
    """Each stack's ETag of the stored video; ends the program where two answers differ."""
    token = around.pool.issue(stored.sub, "alice@example.com", "access")
    links = rows.fresh_links()
    etags = {}
    seen: dict[str, Any] = {}
    for name, stack in running.items():
        listed, read, made = (
            _answer(stack, event)
            for event in (
                events.rest("GET", "/videos", token=token),
                events.rest("GET", f"/videos/{stored.video_id}", token=token),
                events.rest("POST", "/analyze", token=token, body={"url": next(links)}),
            )
        )
        etags[name] = _header(read, "ETag")
        known = {"If-None-Match": etags[name]}
        unchanged = _answer(stack, events.rest("GET", f"/videos/{stored.video_id}", token=token, headers=known))
        if (unchanged["statusCode"], unchanged["body"]) != (304, ""):
            sys.exit(f"{name} does not know its own ETag: {unchanged}")
        submitted = json.loads(made["body"])
        _delete(around, submitted["id"])
        seen[name] = {
            "statuses": [listed["statusCode"], read["statusCode"], made["statusCode"]],
            "list": _without_stage(json.loads(listed["body"])),
            "read": json.loads(read["body"]),
            "made": {key: None if key in _OWN else value for key, value in submitted.items()},
        }
    first, *others = seen
    for name in others:
        for part, value in seen[first].items():
            if seen[name][part] != value:
                sys.exit(f"{first} and {name} differ in {part}:\n{str(value)[:2000]}\n{str(seen[name][part])[:2000]}")
    return etags


def _without_stage(page: dict[str, Any]) -> dict[str, Any]:
    """Mangum does not tell its application where the API begins, so that the reference's link would be a 404."""
    return page | {"next": page["next"].partition("?")[2]}


def _answer(stack: Caller, event: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(stack.call([event], answers=True)["answers"][0])
    return answer


def _header(answer: dict[str, Any], name: str) -> str:
    headers = {key.lower(): value for key, value in (answer.get("headers") or {}).items()}
    headers |= {key.lower(): values[0] for key, values in (answer.get("multiValueHeaders") or {}).items()}
    return str(headers.get(name.lower(), ""))


def _delete(around: Surroundings, video_id: str) -> None:
    """So that the next one's list is the same."""
    with around.server.connect("transcripts") as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM videos WHERE id = %s", (video_id,))
