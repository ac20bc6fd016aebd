"""One trace from a request through its message to the worker, where ``ytbackend.tracing`` has switched that on.

Otherwise each call here does nothing, and nothing of OpenTelemetry is loaded. Names and attributes are few, and no text
of a stranger is one of them; of an exception its class is told. docs/watching.md lists the spans.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from videos import facts

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Kind = Literal["INTERNAL", "SERVER", "PRODUCER", "CONSUMER"]
Attributes = dict[str, str | int]  # named as OpenTelemetry does, with points

_tracer: "Tracer | None" = None
_NOTHING = nullcontext()


def use(tracer: "Tracer | None") -> None:
    """From now on spans are this one's; None: there are none any more."""
    global _tracer  # noqa: PLW0603 - one for the process, as its log is
    _tracer = tracer


def are_on() -> bool:
    """Whether anybody records them."""
    return _tracer is not None


def span(
    name: str, *, kind: Kind = "INTERNAL", parent: str = "", about: Attributes | None = None
) -> AbstractContextManager[None]:
    """While this lasts, this is what is done; within what lasts already, or within ``parent``, a traceparent."""
    return _NOTHING if _tracer is None else _recorded(_tracer, name, kind, parent, about or {})


def say(name: str, about: Attributes) -> None:
    """What has become known of the span that lasts, and a better name for it."""
    if _tracer is None:
        return
    from opentelemetry import trace

    current = trace.get_current_span()
    current.set_attributes(about)
    current.update_name(name)


def traceparent() -> str:
    """The span that lasts, for whoever goes on with it elsewhere; empty where there is none.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


@contextmanager
def _recorded(tracer: "Tracer", name: str, kind: Kind, parent: str, about: Attributes) -> Iterator[None]:
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    started = tracer.start_as_current_span(
        name,
        context=context,
        kind=SpanKind[kind],
        attributes=about,
        record_exception=False,  # its text may be anything
        set_status_on_exception=False,
    )
    with started as current:
        facts.learnt(trace_id=f"{current.get_span_context().trace_id:032x}")
        try:
            yield
        except BaseException as error:
            current.set_status(StatusCode.ERROR, type(error).__name__)
            raise
