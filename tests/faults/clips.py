"""Videos of the stand-in for these tests: what they say differs each time, and they may be made to fail or to wait."""

import itertools
import json
import threading
from typing import Any

from local import youtube
from local.youtube import Site
from local.youtube_answers import Track
from tests import youtube_scenarios

_numbers = itertools.count(1)
_LONGEST_HOLD_SECONDS = 60


class Clip(youtube.Video):
    """A video with captions. Like a speech engine's, no two readings of them are the same."""

    def __init__(self, *, words: str = "This is take", lines: int = 1) -> None:
        super().__init__(f"Clip{next(_numbers):07}", title="A clip", tracks=(Track("en", [(0, 1, "unread")]),))
        self._words, self._lines = words, lines
        self._takes = itertools.count(1)
        self._open = threading.Event()
        self._open.set()
        self._refusals: list[Any] = []
        self.faults["timedtext"] = self._answer_captions

    def hold(self) -> "Clip":
        """Who asks for the captions has to wait, until ``let_go``: a long job."""
        self._open.clear()
        return self

    def let_go(self) -> None:
        self._open.set()

    def answer_first(self, *faults: youtube_scenarios.Fault) -> "Clip":
        """The first to ask for the captions get these answers instead, each its own."""
        self._refusals += faults
        return self

    def refuse(self, reason: str) -> "Clip":
        """YouTube does not show the video, for that reason."""
        self.player = youtube_scenarios.refused(self.id, reason).player
        return self

    def _answer_captions(self, site: Site) -> bool:
        self._open.wait(_LONGEST_HOLD_SECONDS)
        if self._refusals:
            return self._refusals.pop(0)(site)
        take = f"{self._words} {next(self._takes)}"
        track = Track("en", [(n, n + 1, take) for n in range(self._lines)])
        site.reply(200, json.dumps(track.json3()).encode(), "application/json; charset=UTF-8")
        return True
