"""Answers as JSON. Stands in the lowest app, because imports point down."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import JSONRenderer


class FastJSONRenderer(JSONRenderer):
    """JSON by orjson, which also writes ids and times; no other shape of it can be asked for."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """UTF-8; times as RFC 3339 with ``Z``. Nothing where there is nothing to say.

        Raises ``TypeError`` for what is not meant to be shown, and for numbers of more than 64 bits.
        """
        return b"" if data is None else orjson.dumps(data, default=_text, option=orjson.OPT_UTC_Z)


def _text(value: Any) -> str:
    if isinstance(value, Promise | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no part of an answer.")
