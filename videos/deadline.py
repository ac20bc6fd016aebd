"""How long a sweep may take."""

import time

SECONDS = 45  # so that the next one can begin a minute after this one did


class Deadline:
    """So many seconds from now on."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = time.monotonic() + seconds

    def passed(self) -> bool:
        """Whether it is time to stop, and to leave the rest to the next sweep."""
        return self.left() < 0

    def left(self) -> float:
        """How many seconds there are until then."""
        return self._end - time.monotonic()
