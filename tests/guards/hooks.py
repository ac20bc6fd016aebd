"""Loaded by schemathesis: what the document cannot say."""

import hashlib
import re
from base64 import urlsafe_b64encode
from typing import Any

import schemathesis


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """A key goes with one body alone, as a client means it; else hardly anything would be submitted."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[A-Za-z0-9_.~:/+=-]{1,255}", key):
        case.headers["Idempotency-Key"] = hashlib.sha256(f"{key} {case.body!r}".encode()).hexdigest()
    return case


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Of texts that fit the schema hardly one is a link to a video: each is made into one, the same into the same.

    What does not fit stays as it is, and must be refused.
    """
    url = body.get("url") if isinstance(body, dict) else None
    if context.operation.label != "POST /analyze" or not isinstance(url, str) or not 0 < len(url) <= 2048:
        return body
    digest = hashlib.sha256(url.encode("utf-8", "replace")).digest()
    return body | {"url": f"https://youtu.be/{urlsafe_b64encode(digest).decode()[:11]}"}
