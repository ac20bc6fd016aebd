"""What everything that happens just now is about: which request, whose, which video, which attempt.

Set where it becomes known (a request's middleware, a submission, a worker's claim), told wherever something is written
down: each line of the log, each metric, each trace, each report of an error. Tasks and requests have facts of their
own (https://docs.python.org/3/library/contextvars.html); a thread has them where it is started with ``carried``.
"""

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# An id, a number, or who is asked for it when somebody looks; empty and None: not known (yet).
Fact = str | int | None | Callable[[], str | int | None]

_current: contextvars.ContextVar[dict[str, Fact] | None] = contextvars.ContextVar("facts", default=None)


@contextmanager
def during(**facts: Fact) -> Iterator[None]:
    """While this lasts, these facts hold beside those that did before; what is ``learnt`` meanwhile ends with it."""
    token = _current.set({**(_current.get() or {}), **facts})
    try:
        yield
    finally:
        _current.reset(token)


def learnt(**facts: Fact) -> None:
    """From here on, these hold as well, as long as the innermost ``during`` lasts. Without one, nothing is kept."""
    known = _current.get()
    if known is not None:
        known |= facts


def current() -> dict[str, str | int]:
    """What is known."""
    told = {name: fact() if callable(fact) else fact for name, fact in (_current.get() or {}).items()}
    return {name: fact for name, fact in told.items() if fact not in (None, "")}


def carried(function: Callable[[], None]) -> Callable[[], None]:
    """For another thread: the function there knows what is known here."""
    context = contextvars.copy_context()
    return lambda: context.run(function)
