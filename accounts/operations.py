"""What the OpenAPI document says of a view's method: written beside it, looked at when somebody asks for the document.

drf-spectacular's own decorator makes a class of each description, and for that loads all that makes documents: a
tenth of what a process of Lambda would do before its first answer.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_describing = threading.Lock()
_described: list[tuple[Callable[..., Any], dict[str, Any]]] = []


def extend_schema(**description: Any) -> Callable[[Method], Method]:
    """As ``drf_spectacular.utils.extend_schema`` on a method, with its arguments, but later."""

    def keep(method: Method) -> Method:
        _described.append((method, description))
        return method

    return keep


def describe_operations(endpoints: list[Any], **_: Any) -> list[Any]:
    """Named by ``SPECTACULAR_SETTINGS``: told once every view is loaded, and before one is looked at."""
    from drf_spectacular import utils

    from accounts import schemes  # noqa: F401 - how one signs in; drf-spectacular finds them by itself

    with _describing:  # whoever asks for the document meanwhile waits
        for method, description in _described:
            utils.extend_schema(**description)(method)
        _described.clear()
    return endpoints
