"""What two callers must see of the API, whatever they and the workers do, and in whatever order.

``Shown`` is what one of them has submitted, as far as they can know it; it knows neither rows nor leases. (What is
true of the rows below, ``tests.videos.model`` holds.) The machine asks the API over HTTP, predicts each answer, and
after each step compares both users' lists, page by page, with what they must show.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.apps import apps
from django.db.models import ProtectedError
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from rest_framework.test import APIClient

from tests import builders
from tests.conftest import client_of
from tests.guards.ownership import OURS
from tests.tokens import ALICE, BOB
from transcripts.models import Transcript
from videos import services
from videos.models import Video

LINKS = ["first------"] * 3 + ["second-----"]  # one story rather than two
SHAPES = ["https://youtu.be/{}", "https://www.youtube.com/watch?v={}&t=9", "https://m.youtube.com/shorts/{}"]
MODES = ["auto", "captions", "speech"]
LANGUAGES = ["", "en", "pt-BR"]
FORMATS = ["json", "txt", "srt", "vtt"]

T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]


@dataclass
class Shown:
    """One video as its owner sees it."""

    link: str
    mode: str
    language: str
    status: str = "queued"
    error: str | None = None
    attempt: int = 0
    transcript: str = ""  # its text, once there is one; it stays until the next takes its place
    spoken: str = ""  # the language of what was said


@dataclass
class Caller:
    """A user: what they can see, newest first, and what they could see once."""

    client: APIClient
    videos: dict[str, Shown] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)

    def having(self, link: str) -> str | None:
        return next((pk for pk, video in self.videos.items() if video.link == link), None)


ACTIONS: list[Callable[["Machine", Pick], None]] = []


def happens(often: int):
    """So often, compared with the others."""

    def register(do):
        ACTIONS.extend([do] * often)
        return do

    return register


class Machine(RuleBasedStateMachine):
    """Alice and bob, two links that both may submit, and a worker that may be late."""

    answers = 0  # of the API, in all runs: whoever explores can say how far

    def __init__(self) -> None:
        super().__init__()
        empty()
        self.alice = Caller(client_of(ALICE, f"{ALICE[:5]}@example.com"))
        self.bob = Caller(client_of(BOB, f"{BOB[:5]}@example.com"))
        self.hands: list[Video] = []  # claims, also those that do not hold any more
        self.texts = 0

    @rule(data=st.data())
    def something_happens(self, data):
        do = data.draw(st.sampled_from(ACTIONS), label="what happens")
        do(self, lambda options: data.draw(st.sampled_from(options)))

    # --- what a step is about

    def somebody(self, pick: Pick) -> tuple[Caller, Caller]:
        """Who acts, and the other one."""
        return pick([(self.alice, self.bob), (self.bob, self.alice)])

    def some(self, pick: Pick, caller: Caller, other: Caller) -> str:
        """A video's id: mostly one of theirs, or one of the other's, or one that is gone or never was."""
        kinds = [caller.videos] * 4 + [other.videos, caller.gone, other.gone, [str(uuid.UUID(int=7))]]
        return pick(list(pick([kind for kind in kinds if kind])))

    def ask(self, caller: Caller, method: str, address: str, body: Any = None) -> Any:
        data = "" if body is None else json.dumps(body)
        Machine.answers += 1
        return caller.client.generic(method, address, data, content_type="application/json")

    def refused(self, answer: Any, status: int, **expected: str) -> None:
        assert answer.status_code == status, answer.content
        found = answer.json()
        assert answer["Content-Type"] == "application/problem+json"
        assert found["status"] == status
        assert expected.items() <= found.items()

    # --- what users do

    @happens(6)
    def submit(self, pick):
        caller, _ = self.somebody(pick)
        link, mode, language = pick(LINKS), pick(MODES), pick(LANGUAGES)
        wanted = {"url": pick(SHAPES).format(link), "mode": mode} | ({"language": language} if language else {})
        answer = self.ask(caller, "POST", "/analyze", wanted)
        known = caller.having(link)
        if known is None or caller.videos[known].status == "failed":
            assert answer.status_code == 202
            assert "Retry-After" in answer
            seen = answer.json()["id"]
            assert seen == (known or seen)
            assert seen not in {*self.alice.gone, *self.bob.gone, *self.alice.videos, *self.bob.videos} - {known}
            shown = caller.videos.get(seen) or Shown(link, mode, language)
            shown.mode, shown.language, shown.status, shown.error, shown.attempt = mode, language, "queued", None, 0
            caller.videos = {seen: shown} | caller.videos if known is None else caller.videos
        else:
            assert (answer.status_code, answer.json()["id"]) == (200, known)
        assert answer["Location"] == f"/videos/{answer.json()['id']}"
        self.shows(answer.json(), caller)

    @happens(4)
    def retry(self, pick):
        caller, other = self.somebody(pick)
        video = self.some(pick, caller, other)
        answer = self.ask(caller, "POST", f"/videos/{video}/retry")
        shown = caller.videos.get(video)
        if shown is None:
            self.refused(answer, 404, code="not_found")
        elif shown.status != "failed":
            self.refused(answer, 409, code="conflict", state=shown.status)
        else:
            assert answer.status_code == 202
            shown.status, shown.error, shown.attempt = "queued", None, 0
            self.shows(answer.json(), caller)

    @happens(3)
    def cancel(self, pick):
        caller, other = self.somebody(pick)
        video = self.some(pick, caller, other)
        answer = self.ask(caller, "POST", f"/videos/{video}/cancel")
        shown = caller.videos.get(video)
        if shown is None:
            self.refused(answer, 404, code="not_found")
        elif shown.status in ("completed", "failed"):
            self.refused(answer, 409, code="conflict", state=shown.status)
        else:
            assert answer.status_code == 200
            shown.status, shown.error = "failed", "cancelled"
            self.shows(answer.json(), caller)

    @happens(2)
    def delete(self, pick):
        caller, other = self.somebody(pick)
        video = self.some(pick, caller, other)
        answer = self.ask(caller, "DELETE", f"/videos/{video}")
        if video in caller.videos:
            assert (answer.status_code, answer.content) == (204, b"")
            del caller.videos[video]
            caller.gone.append(video)
        else:
            self.refused(answer, 404, code="not_found")

    @happens(3)
    def read(self, pick):
        caller, other = self.somebody(pick)
        video = self.some(pick, caller, other)
        answer = self.ask(caller, "GET", f"/videos/{video}")
        if video in caller.videos:
            assert answer.status_code == 200
            assert ("Retry-After" in answer) == (caller.videos[video].status in ("queued", "processing"))
            self.shows(answer.json(), caller)
        else:
            self.refused(answer, 404, code="not_found")

    @happens(4)
    def read_the_transcript(self, pick):
        caller, other = self.somebody(pick)
        video = self.some(pick, caller, other)
        kind = pick(FORMATS)
        answer = self.ask(caller, "GET", f"/videos/{video}/transcript?format={kind}")
        shown = caller.videos.get(video)
        if shown is None:
            self.refused(answer, 404, code="not_found")
        elif not shown.transcript:
            self.refused(answer, 404, code="no_transcript", state=shown.status)
        else:
            assert answer.status_code == 200
            assert shown.transcript in answer.content.decode()
            if kind == "json":
                found = answer.json()
                assert (found["video_id"], found["content"]) == (video, shown.transcript)
                by_its_own = self.ask(caller, "GET", f"/transcripts/{found['id']}")
                assert by_its_own.json() == found
                self.refused(self.ask(other, "GET", f"/transcripts/{found['id']}"), 404, code="not_found")

    @happens(2)
    def filter(self, pick):
        caller, _ = self.somebody(pick)
        status = pick(["queued", "processing", "completed", "failed"])
        found = [video["id"] for video in self.pages(caller, f"/videos?status={status}&page_size=1")]
        assert found == [pk for pk, shown in caller.videos.items() if shown.status == status]

    # --- what workers and operators do

    @happens(6)
    def claim(self, pick):
        caller, _ = self.somebody(pick)
        if waiting := [pk for pk, shown in caller.videos.items() if shown.status == "queued"]:
            claimed = services.claim_video(uuid.UUID(pick(waiting)))
            assert claimed is not None
            shown = caller.videos[str(claimed.pk)]
            shown.status, shown.attempt, shown.error = "processing", shown.attempt + 1, None
            self.hands = [*self.hands[-4:], claimed]

    @happens(6)
    def finish(self, pick):
        """A worker that may have lost its claim: then nobody sees anything of it."""
        if not self.hands:
            return
        hand = pick(self.hands)
        shown = self.owned(hand)
        self.texts += 1
        segments = [builders.SEGMENTS[0]._replace(text=f"words number {self.texts}")]
        if hand.complete(source=Video.Source.CAPTIONS, language="de") and shown is not None:
            Transcript.objects.store(builders.transcript(hand, segments))
            shown.status, shown.transcript, shown.spoken = "completed", segments[0].text, "de"
        else:
            assert shown is None
        self.hands.remove(hand)

    @happens(4)
    def fail(self, pick):
        if not self.hands:
            return
        hand = pick(self.hands)
        shown = self.owned(hand)
        assert hand.fail("video_private", "This video is private.", retryable=False) == (shown is not None)
        if shown is not None:
            shown.status, shown.error = "failed", "video_private"
        self.hands.remove(hand)

    @happens(2)
    def reprocess(self, pick):
        """An operator starts an ended one again: its transcript can be read meanwhile."""
        caller, _ = self.somebody(pick)
        if ended := [pk for pk, shown in caller.videos.items() if shown.status in ("completed", "failed")]:
            pk = pick(ended)
            assert services.reprocess_video(Video.objects.get(pk=pk)) is not None
            shown = caller.videos[pk]
            shown.status, shown.error, shown.attempt = "queued", None, 0

    def owned(self, hand: Video) -> Shown | None:
        """What its owner sees of it, if the claim still holds."""
        newest = [other for other in self.hands if other.pk == hand.pk][-1]
        for caller in (self.alice, self.bob):
            shown = caller.videos.get(str(hand.pk))
            if shown and shown.status == "processing" and newest is hand:
                return shown
        return None

    # --- what must be seen at any time

    @invariant()
    def each_sees_their_own_and_nothing_else(self):
        for caller in (self.alice, self.bob):
            listed = list(self.pages(caller, "/videos?page_size=1"))
            assert [video["id"] for video in listed] == list(caller.videos)
            for video in listed:
                self.shows(video, caller)
            found = {transcript["video_id"] for transcript in self.pages(caller, "/transcripts?page_size=1")}
            assert found == {pk for pk, shown in caller.videos.items() if shown.transcript}

    def pages(self, caller: Caller, address: str | None) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        while address:
            assert address not in seen, "round in circles"
            seen.add(address)
            answer = self.ask(caller, "GET", address)
            assert answer.status_code == 200
            page = answer.json()
            assert page["results"] or page["next"] is None
            yield from page["results"]
            address = page["next"]

    def shows(self, video: dict[str, Any], caller: Caller) -> None:
        shown = caller.videos[video["id"]]
        expected = {
            "url": f"https://www.youtube.com/watch?v={shown.link}",
            "youtube_id": shown.link,
            "status": shown.status,
            "mode": shown.mode,
            "language": shown.spoken or shown.language or None,
            "attempt": shown.attempt,
            "retry_at": None,
        }
        wrong = {name: (video[name], value) for name, value in expected.items() if video[name] != value}
        assert not wrong, f"shown and expected: {wrong}"
        assert (video["error"] or {}).get("code") == shown.error
        assert (video["completed_at"] is not None) == (shown.status == "completed")
        assert (video["progress"] == 100) == (shown.status == "completed")


def empty() -> None:
    """Takes every row of ours away, whatever protects what."""
    left = [model for model in apps.get_models() if model._meta.app_label in OURS]
    while left:
        model = left.pop(0)
        try:
            model._default_manager.all().delete()
        except ProtectedError:
            left.append(model)
