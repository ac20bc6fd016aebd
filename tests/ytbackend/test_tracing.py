"""One trace from a caller's request to the transcript, over a real queue; and nothing of it where it is off."""

import os
import subprocess
import sys
import threading
import timeit
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests import builders
from transcripts.worker import loop
from videos import facts, queue, sweeping, traces
from videos.models import Video
from ytbackend import watching

ROOT = Path(__file__).parents[2]


class Recorded:
    """The spans that have ended, in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans() if span.name == name]
        return span

    def trees(self) -> set[tuple[str, ...]]:
        """Each span by its way from the root."""
        by_id = {span.context.span_id: span for span in self.spans()}

        def way(span: ReadableSpan) -> tuple[str, ...]:
            before = way(by_id[span.parent.span_id]) if span.parent else ()
            return (*before, span.name)

        return {way(span) for span in self.spans()}

    def trace_ids(self) -> set[int]:
        return {span.context.trace_id for span in self.spans()}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Traces are on, and go here."""
    there = Recorded()
    traces.use(there.provider.get_tracer("tests"))
    yield there
    traces.use(None)
    there.provider.shutdown()


def work() -> None:
    """Handles what is in the queue."""
    loop.Worker(poll_seconds=0).run(idle_exit=0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqs", "_signals", "stand_in")
class TestOneTrace:
    def test_from_the_request_through_the_message_to_the_commit(self, recorded, alice):
        answer = alice.post("/analyze", {"url": "https://youtu.be/SampleCapt1"})
        work()

        assert Video.objects.get(pk=answer.json()["id"]).status == "completed"
        request = ("POST /analyze",)
        job = (*request, "submit", "send", "job")
        assert recorded.trees() == {
            request, (*request, "submit"), (*request, "submit", "send"), job,
            (*job, "metadata"), (*job, "captions"), (*job, "store"), (*job, "store", "commit"),
        }  # fmt: skip
        assert len(recorded.trace_ids()) == 1
        assert recorded.named("job").attributes == {"video.id": answer.json()["id"], "attempt": 1}
        assert recorded.named("POST /analyze").attributes == {"http.response.status_code": 202}
        kinds = {name: recorded.named(name).kind.name for name in ("POST /analyze", "submit", "send", "job")}
        assert kinds == {"POST /analyze": "SERVER", "submit": "INTERNAL", "send": "PRODUCER", "job": "CONSUMER"}

    def test_what_is_listened_to_shows_how_long_that_took(self, recorded, alice, small_model):
        alice.post("/analyze", {"url": "https://youtu.be/SampleVoice"})
        work()

        stages = [span.name for span in recorded.spans() if span.parent == recorded.named("job").context]
        assert stages == ["metadata", "captions", "download", "speech", "store"]

    def test_what_the_sweep_sends_begins_a_trace_of_its_own(self, recorded):
        video = builders.queued(youtube_id="SampleCapt1")
        sweeping.sweep()
        work()

        assert recorded.named("send").parent is None
        assert recorded.named("job").context.trace_id == recorded.named("send").context.trace_id
        assert recorded.named("job").attributes["video.id"] == str(video.pk)

    def test_the_next_attempt_goes_on_with_the_trace(self, recorded, alice, settings):
        settings.RETRY_BASE_SECONDS = 0
        settings.YOUTUBE_PROXY_URL, proxy = "http://127.0.0.1:9", settings.YOUTUBE_PROXY_URL
        alice.post("/analyze", {"url": "https://youtu.be/SampleCapt1"})
        loop.Worker(poll_seconds=0).run(max_messages=1)
        settings.YOUTUBE_PROXY_URL = proxy
        work()

        assert [span.attributes["attempt"] for span in recorded.spans() if span.name == "job"] == [1, 2]
        assert len(recorded.trace_ids()) == 1

    def test_a_failure_tells_its_class_and_no_text(self, recorded, alice):
        alice.post("/analyze", {"url": "https://youtu.be/nosuchvideo"})
        work()

        failed = recorded.named("metadata")
        assert (failed.status.status_code.name, failed.events) == ("ERROR", ())
        assert failed.status.description == "VideoUnavailable"

    def test_what_a_client_calls_its_trace_is_not_taken(self, recorded, alice):
        theirs = "0af7651916cd43dd8448eb211c80319c"
        alice.get("/me", HTTP_TRACEPARENT=f"00-{theirs}-b7ad6b7169203331-01")

        assert recorded.named("GET /me").parent is None
        assert recorded.trace_ids() != {int(theirs, 16)}


@pytest.mark.django_db
@pytest.mark.usefixtures("sqs")
@pytest.mark.parametrize("sent", ["nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", ""])
def test_a_message_whose_trace_cannot_be_read_is_worked_on_all_the_same(recorded, sent):
    with traces.span("job", kind="CONSUMER", parent=sent):
        pass

    assert recorded.named("job").parent is None


@pytest.mark.django_db
def test_without_traces_a_message_is_what_it_was(sqs):
    queue.send(builders.queued())

    message = queue.receive(wait_seconds=0)

    assert message.traceparent == ""


def test_the_log_names_the_trace(recorded):
    with facts.during(request_id="r"), traces.span("request"):
        known = facts.current()

    assert known["trace_id"] == f"{recorded.named('request').context.trace_id:032x}"


def test_spans_come_to_a_collector(settings, monkeypatch):
    """By OpenTelemetry's own exporter, over HTTP."""
    taken: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        settings.TRACES_ENDPOINT = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", settings.TRACES_ENDPOINT)
        try:
            watching.start()
            with traces.span("job", about={"video.id": "v"}):
                pass
            watching.flush()
        finally:
            watching.stop()
            server.shutdown()
            thread.join()

    (batch,) = [spans for request in taken for spans in request.resource_spans]
    about = {attribute.key: attribute.value.string_value for attribute in batch.resource.attributes}
    assert (about["service.name"], about["service.version"]) == ("yt-backend", settings.VERSION)
    assert [span.name for scope in batch.scope_spans for span in scope.spans] == ["job"]


@pytest.mark.parametrize(("endpoint", "loaded"), [("http://127.0.0.1:9", True), ("", False)])
def test_nothing_of_it_is_loaded_unless_it_is_switched_on(endpoint, loaded, tmp_path):
    script = "import django, sys; django.setup(); print(any(name.startswith('opentelemetry') for name in sys.modules))"
    environment = {"DJANGO_SECRET_KEY": "k" * 50, "DATA_DIR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                   "DJANGO_SETTINGS_MODULE": "ytbackend.settings", "PATH": os.environ["PATH"]}  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert (done.stdout.strip(), done.stderr) == (str(loaded), "")


def test_without_the_libraries_it_says_what_to_do(settings, monkeypatch):
    """As on Lambda without the layer."""
    settings.TRACES_ENDPOINT = "http://127.0.0.1:9"
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)

    with pytest.raises(ImproperlyConfigured, match=r"opentelemetry.* is not installed: .*the layer of docs/"):
        watching.start()


def test_where_it_is_off_a_span_costs_next_to_nothing():
    def spanned() -> None:
        with traces.span("job", kind="CONSUMER", parent="", about={"video.id": "v"}):
            traces.traceparent()

    seconds = min(timeit.repeat(spanned, number=10_000, repeat=5)) / 10_000

    assert seconds < 50e-6  # measured: below one microsecond
