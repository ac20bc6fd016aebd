"""Errors to Sentry, where ``SENTRY_DSN`` says to which; nothing of this is loaded otherwise.

What is logged as an error with an exception is reported, once, and nothing else is: no request (so no header, cookie,
body or address), no user, no values of variables, no lines of the log before it. Texts keep the rules of the log.
https://docs.sentry.io/platforms/python/configuration/options/
"""

from typing import TYPE_CHECKING, Any

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

from videos import facts
from ytbackend.log_lines import one_line, without_secrets

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_FLUSH_SECONDS = 2.0
# All that is sent of an event, beside the facts: https://develop.sentry.dev/sdk/data-model/event-payloads/
_SENT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "server_name", "sdk")
_SENT_OF_FRAMES = ("filename", "abs_path", "function", "module", "lineno", "in_app", "context_line")
_FACTS = ("request_id", "video_id", "attempt")  # who it was, Sentry need not know


def start() -> None:
    """From now on errors are reported."""
    sentry_sdk.init(
        settings.SENTRY_DSN,
        release=settings.VERSION,
        default_integrations=False,
        integrations=[
            LoggingIntegration(level=None, sentry_logs_level=None),
            ExcepthookIntegration(),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda pending, timeout: None),  # says nothing on a terminal
        ],
        # send_default_pii is False where it is left out, and to say so is deprecated.
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        enable_metrics=False,
        before_send=told,
    )


def capture(error: Exception) -> None:
    """Reports one that nobody logs."""
    sentry_sdk.capture_exception(error)


def flush() -> None:
    """Waits until all is sent, for two seconds at most: a Lambda is frozen between its invocations."""
    sentry_sdk.flush(_FLUSH_SECONDS)


def stop() -> None:
    """Errors are reported no more."""
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def told(event: "Event", hint: "Hint") -> "Event | None":
    """What Sentry is told of an event; None for what has no exception, and for hosts that strangers make up."""
    known: dict[str, Any] = dict(event)
    stacks = known.get("exception", {}).get("values", ())
    if not stacks or str(known.get("logger", "")).startswith("django.security"):
        return None
    facts_now = facts.current()
    sent = {name: known[name] for name in _SENT if name in known}
    sent["message"] = known.get("logentry", {}).get("formatted", "")
    sent["exception"] = {"values": [_exception(stack) for stack in stacks]}
    sent["tags"] = {name: str(facts_now[name]) for name in _FACTS if name in facts_now}
    clean: Event = _clean(sent)
    return clean


def _exception(stack: dict[str, Any]) -> dict[str, Any]:
    frames = (stack.get("stacktrace") or {}).get("frames", ())
    kept = [{name: frame[name] for name in _SENT_OF_FRAMES if name in frame} for frame in frames]
    named = {name: stack.get(name) for name in ("type", "value", "module", "mechanism")}
    return named | ({"stacktrace": {"frames": kept}} if kept else {})


def _clean(value: Any) -> Any:
    """Every text within, without secrets and on one line."""
    if isinstance(value, str):
        return one_line(without_secrets(value))
    if isinstance(value, dict):
        return {name: _clean(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value
