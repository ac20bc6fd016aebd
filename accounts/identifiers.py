"""Ids as callers write them."""

import re
import uuid

_WRITTEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NOTHING = uuid.UUID(int=0)  # so that it takes as long to say that there is no such thing


def identifier(text: str) -> uuid.UUID:
    """The UUID, as it is written in RFC 9562; for everything else the one that names nothing.

    ``uuid.UUID`` itself also reads one without hyphens, in braces, after ``urn:uuid:``, or in digits of other scripts.
    https://www.rfc-editor.org/rfc/rfc9562#section-4
    """
    return uuid.UUID(text) if _WRITTEN.fullmatch(text) else _NOTHING
