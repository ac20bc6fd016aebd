"""Traces to a collector by OpenTelemetry's protocol, where ``OTEL_EXPORTER_OTLP_ENDPOINT`` says to which.

OpenTelemetry reads its other variables by itself:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from videos import traces

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

NAME = "yt-backend"
_FLUSH_MS = 2000
_providers: "list[TracerProvider]" = []


def start() -> None:
    """From now on spans are recorded, and sent in the background. Lambda's package has not what that takes."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is not installed: "
            "install requirements-worker.txt (on Lambda, the layer of docs/watching.md), or leave it out."
        ) from error
    about = {SERVICE_VERSION: settings.VERSION}
    if "OTEL_SERVICE_NAME" not in os.environ and "service.name" not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        about[SERVICE_NAME] = NAME
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _providers.append(provider)
    traces.use(provider.get_tracer(NAME, settings.VERSION))


def flush() -> None:
    """Waits until all is sent, for two seconds at most: a Lambda is frozen between its invocations."""
    for provider in _providers:
        provider.force_flush(_FLUSH_MS)


def stop() -> None:
    """No span is recorded any more; what there is is sent."""
    traces.use(None)
    while _providers:
        _providers.pop().shutdown()
