"""What CloudWatch is told, against its own specification: by real requests, real jobs and a real sweep."""

import io
import json
import logging
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests import builders, emf
from transcripts.worker import loop
from videos import metrics, sweeping
from videos.metrics import Metric
from videos.models import Video
from ytbackend.log_lines import MetricFormatter

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/watching.md").read_text()


class Written:
    """The documents so far; each is one that CloudWatch takes."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def all(self) -> list[dict[str, Any]]:
        lines = self.stream.getvalue().splitlines()
        assert [wrong for line in lines for wrong in emf.wrong_with(line)] == []
        return [json.loads(line) for line in lines]

    def of(self, metric: str) -> list[dict[str, Any]]:
        return [document for document in self.all() if metric in document]


@pytest.fixture
def written() -> Iterator[Written]:
    """Metrics are on, and go here."""
    there = Written()
    handler = logging.StreamHandler(there.stream)
    handler.setFormatter(MetricFormatter())
    level = metrics.log.level
    metrics.log.addHandler(handler)
    metrics.log.setLevel(logging.INFO)
    yield there
    metrics.log.setLevel(level)
    metrics.log.removeHandler(handler)


def work() -> None:
    """Sends what is to be sent, and handles it."""
    sweeping.sweep()
    loop.Worker(poll_seconds=0).run(idle_exit=0)


# --- The API


@pytest.mark.django_db
def test_a_request_is_counted_and_timed_by_its_address_as_we_name_it(written, alice):
    video = builders.completed()

    answer = alice.get(f"/videos/{video.pk}/transcript?format=txt")

    (document,) = written.all()
    assert emf.dimensions(document) == {"Route": "GET /videos/{id}/transcript", "StatusClass": "2xx"}
    assert emf.numbers(document)["Requests"] == 1
    assert 0 < emf.numbers(document)["Latency"] < 60_000
    assert document["request_id"] == answer["X-Request-Id"]
    assert (document["user_id"], document["video_id"], document["status"]) == (video.user_id, str(video.pk), "200")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/", "GET /"),
        ("HEAD", "/health", "GET /health"),
        ("GET", "/videos/not-a-uuid", "GET /videos/{id}"),
        ("BREW", "/videos", "other /videos"),
        ("OPTIONS", "/me", "other /me"),
        ("GET", "/nothing/here", "none"),
        ("GET", "/\u202e", "none"),
        ("GET", "/admin/videos/video/", "admin"),
        ("GET", "/admin", "admin"),
        ("GET", "/static/admin/css/base.css", "static"),
        ("GET", "/static/nothing", "none"),
        ("PUT", "/videos", "other /videos"),
        ("AS_VIEW", "/videos", "other /videos"),
    ],
)
def test_of_addresses_there_are_few_whatever_strangers_ask_for(written, stranger, method, path, route):
    answer = stranger.generic(method, path)
    answer.close()

    (document,) = written.all()
    assert document["Route"] == route
    assert document["StatusClass"] == f"{answer.status_code // 100}xx"
    assert "user_id" not in document


@pytest.mark.django_db
def test_a_bug_is_counted_as_well(written, alice, settings):
    settings.ROOT_URLCONF = "tests.ytbackend.failing_urls"
    alice.raise_request_exception = False

    alice.get("/failing/bug")

    (document,) = written.all()
    assert (document["StatusClass"], document["Requests"]) == ("5xx", 1)


@pytest.mark.django_db
def test_nothing_that_there_is_endlessly_many_of_is_a_dimension(written, alice):
    video = builders.completed()
    for path in ("/me", f"/videos/{video.pk}", f"/transcripts/{video.transcript.pk}", f"/nothing/{uuid.uuid4()}"):
        alice.get(path)

    values = {value for document in written.all() for value in emf.dimensions(document).values()}
    assert [value for value in values if re.search(r"[0-9a-f]{8}-|@", value)] == []
    assert {"GET /me", "GET /videos/{id}", "GET /transcripts/{id}", "none", "2xx", "4xx"} == values


# --- The worker


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqs", "_signals", "stand_in")
class TestJobs:
    def test_one_with_captions_tells_its_stages_and_costs(self, written):
        video = builders.queued(youtube_id="SampleCapt1")

        work()

        (document,) = written.all()
        numbers = emf.numbers(document)
        video.refresh_from_db()
        assert emf.dimensions(document) == {"Outcome": "completed", "Source": "captions"}
        assert (document["video_id"], document["user_id"], document["attempt"]) == (str(video.pk), video.user_id, 1)
        assert (numbers["Jobs"], numbers["SpeechSeconds"], numbers["DownloadedBytes"]) == (1, 0, 0)
        assert numbers["StoredBytes"] == video.bytes_kept > 0
        stages = {"MetadataTime", "CaptionsTime", "StoringTime"}
        assert {name for name in numbers if name.endswith("Time")} == stages | {"JobTime", "WaitingTime"}
        assert 0 < sum(numbers[name] for name in stages) <= numbers["JobTime"]
        assert 0 <= numbers["WaitingTime"] < 60_000

    def test_one_that_is_listened_to_tells_how_much(self, written, small_model):
        video = builders.queued(youtube_id="SampleVoice")

        work()

        (document,) = written.all()
        numbers = emf.numbers(document)
        assert document["Source"] == "speech"
        assert numbers["DownloadedBytes"] == (ROOT / "local/sample/talk.webm").stat().st_size
        video.refresh_from_db()
        assert numbers["StoredBytes"] == video.bytes_kept > numbers["DownloadedBytes"]
        assert abs(numbers["SpeechSeconds"] - video.duration_ms / 1000) < 2
        assert {"AudioTime", "SpeechTime"} <= numbers.keys()

    def test_one_that_fails_tells_why(self, written):
        builders.queued(youtube_id="SampleVoice", mode="captions")

        work()

        (document,) = written.all()
        assert emf.dimensions(document) == {"Outcome": "failed", "Source": "none"}
        assert document["code"] == "no_captions"

    def test_a_refusal_of_youtube_is_counted_by_its_code(self, written, settings):
        settings.YOUTUBE_PROXY_URL = "http://127.0.0.1:9"  # nobody is there
        builders.queued(youtube_id="SampleCapt1")

        work()

        (refusal,) = written.of("Refusals")
        (job,) = written.of("Jobs")
        assert emf.dimensions(refusal) == {"Code": "source_unreachable"}
        assert (job["Outcome"], job["code"]) == ("released", "source_unreachable")

    def test_a_second_attempt_has_not_waited_for_the_first(self, written, settings):
        settings.YOUTUBE_PROXY_URL, proxy = "http://127.0.0.1:9", settings.YOUTUBE_PROXY_URL
        settings.RETRY_BASE_SECONDS = 0
        video = builders.queued(youtube_id="SampleCapt1")
        sweeping.sweep()
        loop.Worker(poll_seconds=0).run(max_messages=1)
        settings.YOUTUBE_PROXY_URL = proxy

        work()

        first, second = written.of("Jobs")
        assert (first["Outcome"], second["Outcome"], second["attempt"]) == ("released", "completed", 2)
        assert ("WaitingTime" in first, "WaitingTime" in second) == (True, False)
        assert Video.objects.get(pk=video.pk).status == "completed"

    def test_one_whose_video_is_deleted_meanwhile_is_told_so(self, written, monkeypatch):
        video = builders.queued(youtube_id="SampleCapt1")
        claimed = Video.objects.claim
        monkeypatch.setattr(
            "videos.services.claim_video",
            lambda pk, worker: (claimed(pk), Video.objects.filter(pk=pk).delete())[0],
        )

        work()

        (document,) = written.all()
        assert (document["Outcome"], document["video_id"]) == ("deleted", str(video.pk))


# --- The sweep


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("sqs")
def test_a_sweep_tells_what_it_did_and_what_is_left(written):
    builders.queued(requested_at=timezone.now() - timedelta(minutes=3))
    builders.queued(retry_at="2999-01-01T00:00:00Z")
    builders.processing()
    builders.completed()

    call_command("sweep", stdout=io.StringIO())

    (document,) = written.all()
    numbers = emf.numbers(document)
    assert emf.dimensions(document) == {}
    assert (numbers["SweepSent"], numbers["SweepRowsWithoutFiles"], numbers["SweepDeadLetters"]) == (1, 0, 0)
    assert (numbers["VideosWaiting"], numbers["VideosParked"], numbers["VideosWorking"]) == (1, 1, 1)
    assert 180 <= numbers["OldestWaiting"] < 240
    assert numbers["SweepTime"] > 0


# --- On and off


@pytest.mark.django_db
def test_they_are_off_unless_asked_for(alice, capfd):
    assert not metrics.are_on()
    metrics.emit([Metric("Requests", 1)])
    alice.get("/me")

    assert "CloudWatchMetrics" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(("wanted", "number"), [("emf", 1), ("", 0)])
def test_a_process_writes_each_as_a_line_of_its_own(wanted, number, tmp_path):
    script = """
import django; django.setup()
import logging
from videos import facts, metrics
with facts.during(request_id="a\\n\\u202e"):
    metrics.emit([metrics.Metric("Requests", 1, by=((), ("Code",)))], Code="x", told="Bearer " + "s" * 20)
logging.getLogger("videos").warning("something else")
"""
    environment = {"DJANGO_SECRET_KEY": "k" * 50, "DATA_DIR": str(tmp_path), "METRICS": wanted,
                   "DJANGO_SETTINGS_MODULE": "ytbackend.settings", "LOG_LEVEL": "ERROR"}  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    lines = done.stderr.splitlines()
    assert (len(lines), done.stdout) == (number, "")
    for line in lines:
        assert emf.wrong_with(line) == []
        assert (json.loads(line)["request_id"], json.loads(line)["told"]) == (r"a\n\u202e", "Bearer [hidden]")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}}, "[] "),
        ({"Requests": "1"}, "the metric Requests is '1'"),
        ({"Route": ""}, "the dimension Route is ''"),
        ({"Route": 7}, "the dimension Route is 7"),
    ],
)
def test_the_check_itself_can_fail(written, change, said):
    metrics.emit([Metric("Requests", 1, by=(("Route",),))], Route="GET /")
    (document,) = written.all()

    (wrong,) = emf.wrong_with(json.dumps(document | change))

    assert said in wrong


def test_the_check_knows_units_and_numbers(written):
    dollars: Any = "Dollars"
    metrics.emit([Metric(f"M{number}", 1, dollars) for number in range(101)])

    wrong = emf.wrong_with(written.stream.getvalue())

    assert any("is too long" in sentence for sentence in wrong)
    assert any("'Dollars' is not one of" in sentence for sentence in wrong)


def test_the_page_has_every_metric():
    named = set()
    for path in (ROOT / "ytbackend/measured.py", ROOT / "transcripts/worker/measures.py",
                 ROOT / "ytbackend/management/commands/sweep.py"):  # fmt: skip
        named |= set(re.findall(r'(?:Metric|_milliseconds)\("(\w+)"', path.read_text()))
    named |= {f"{stage.capitalize()}Time" for stage in Video.Stage}
    named |= {"Sweep" + name.title().replace("_", "") for name in sweeping.Swept._fields}
    named -= {"Sweep"}

    assert len(named) > 20
    assert {name for name in named if f"`{name}`" not in PAGE} == set()
