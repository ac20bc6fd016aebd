"""Guards taken away, one at a time: the rows must notice (``test_teeth.py``)."""

from collections.abc import Callable


def plant(name: str) -> None:
    """In this process, from now on."""
    BUGS[name]()


BUGS: dict[str, Callable[[], None]] = {}
