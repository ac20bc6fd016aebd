"""Rows M: what YouTube may send, and what a worker's disk may do."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from local.youtube import Site
from tests.faults.preparations import FullDisk, TemporaryFolder, WithSound, full_disk
from tests.faults.processes import Process
from tests.faults.scenes import forget_messages, listener, spoken
from tests.youtube_scenarios import answers
from videos.models import Video

pytestmark = pytest.mark.faults

MEGABYTE = 1_000_000


@pytest.fixture
def room(tmp_path) -> Path:
    """For a worker's temporary files."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


@pytest.fixture
def disk(tmp_path) -> Iterator[FullDisk]:
    with full_disk(tmp_path / "disk") as disk:
        yield disk


def memory(worker: Process) -> int:
    """The most that it has ever had, in bytes."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def trickle(site: Site) -> bool:
    """A byte a second, for as long as somebody listens."""
    site.send_response(200)
    site.send_header("Content-Length", "10000")
    site.end_headers()
    site.wfile.flush()
    try:
        while True:
            site.wfile.write(b" ")
            site.wfile.flush()
            time.sleep(1)
    except OSError:
        site.close_connection = True
    return True


def limited(seconds: int) -> Callable[[Site], bool]:
    def fault(site: Site) -> bool:
        site.reply(429, Retry_After=str(seconds))
        return True

    return fault


def captions(text: str) -> Callable[[Site], bool]:
    """A track with one line, in JSON that says each odd character by its number."""
    event = {"tStartMs": 0, "dDurationMs": 1000, "segs": [{"utf8": text}]}
    return answers(200, json.dumps({"wireMagic": "pb3", "events": [event]}).encode())


def packed(body: bytes) -> Callable[[Site], bool]:
    def fault(site: Site) -> bool:
        site.reply(200, gzip.compress(body), Content_Encoding="gzip")
        return True

    return fault


@pytest.mark.parametrize("endpoint", ["watch", "timedtext", "media"])
def test_m01_it_does_not_wait_for_ever_for_a_byte_a_second(world, room, endpoint):
    video = spoken(world) if endpoint == "media" else world.submit()
    honest = world.clip_of(video).faults.pop(endpoint, None)
    world.clip_of(video).faults[endpoint] = trickle
    world.constants["transcripts.worker.youtube.MAX_WAIT_SECONDS"] = 0
    worker = listener(world, TemporaryFolder(room), YOUTUBE_PATIENCE_SECONDS=3)

    world.wait_for(lambda: "released" in world.outcomes(video), "the worker gives up waiting", within=30)
    assert world.causes(video, "released") == ["source_too_slow"]
    world.clip_of(video).faults = {endpoint: honest} if honest else {}

    world.wait_until(video, "completed")
    assert worker.alive
    world.converge()
    assert list(room.iterdir()) == []


def test_m02_it_comes_back_when_youtube_has_said_and_not_before(world):
    video = world.submit(world.clip().answer_first(limited(120)))
    world.worker()
    world.wait_for(lambda: world.outcomes(video) == ["released"] and world.settled(), "YouTube limits us")

    wait = world.now(video).retry_at - timezone.now()
    assert 100 < wait.total_seconds() < 300
    forget_messages(world)
    Video.objects.update(retry_at=None, enqueued_at=None)  # the time has passed
    world.converge()
    assert world.outcomes(video) == ["released", "completed"]


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe captions \x80", b"[" * 3 * MEGABYTE, b"{}"],
    ids=["no UTF-8", "nested", "something else"],
)
def test_m03_captions_that_cannot_be_read_are_asked_for_again(world, body):
    video = world.submit(world.clip().answer_first(answers(200, body)))
    worker = world.worker()
    world.wait_until(video, "completed")

    assert (worker.alive, world.outcomes(video)) == (True, ["released", "completed"])
    world.converge()


@pytest.mark.parametrize("pack", [lambda body: answers(200, body), packed], ids=["plain", "packed"])
def test_m03_captions_without_end_do_not_fill_the_memory(world, pack):
    worker = world.worker()
    first = world.submit()
    world.wait_until(first, "completed")
    before = memory(worker)

    video = world.submit(world.clip().answer_first(pack(b" " * 400 * MEGABYTE)))
    world.wait_until(video, "completed")

    assert world.outcomes(video) == ["released", "completed"]
    assert memory(worker) - before < 150 * MEGABYTE
    world.converge()


def test_m05_a_full_disk_is_no_fault_of_the_videos(world, disk, room):
    video = spoken(world)
    worker = listener(world, disk, RETRY_BASE_SECONDS=0)
    world.wait_for(lambda: world.outcomes(video).count("interrupted") > 3, "the disk is full each time")

    worker.terminate()
    assert worker.exit_code(within=20) == 0
    assert set(video.attempts.values_list("error_code", flat=True)) <= {"no_space_left", "worker_stopped"}
    assert list(disk.path.glob("transcript-*")) == []
    listener(world, TemporaryFolder(room))
    world.wait_until(video, "completed", within=60)
    assert world.now(video).attempt == 1
    world.converge()


def test_m06_the_next_worker_removes_what_a_killed_one_has_left_on_the_disk(world, room):
    video = spoken(world)
    killed = listener(world, TemporaryFolder(room), WithSound.of(world.kill_at("claimed")))
    assert killed.exit_code(within=30) == -9
    assert [path.name for path in room.rglob("audio.*")] == ["audio.webm"]

    listener(world, TemporaryFolder(room))
    world.wait_for(lambda: not list(room.iterdir()), "the folder is gone")

    world.sweeper()
    world.wait_until(video, "completed", within=60)
    world.converge()
    assert world.outcomes(video) == ["lost", "completed"]


def test_m06_a_worker_that_starts_leaves_the_folders_of_the_living_alone(world, room):
    video = spoken(world)
    busy = listener(world, TemporaryFolder(room), WithSound.of(world.freeze_at("claimed")))
    world.wait_for(lambda: busy.frozen, "the sound is there")
    dead = room / "transcript-dead"
    dead.mkdir()
    (dead / "lock").touch()

    listener(world, TemporaryFolder(room))
    world.wait_for(lambda: not dead.exists(), "the other one has tidied up")

    assert [path.name for path in room.rglob("audio.*")] == ["audio.webm"]
    busy.thaw()
    world.wait_until(video, "completed", within=60)
    world.converge()


def test_m07_odd_characters_are_stored_alike_in_row_and_file(world):
    odd = "nul \x00 lone \ud800\udfff\udc00 end \ufffe\uffff bell \x07 emoji 🙂 rtl \u202e null \u2028 'quotes\" \\ %s"
    clip = world.clip().answer_first(captions(odd))
    clip.title = "Title \x00 \u202e 🙂 " + "x" * 600
    video = world.submit(clip)

    world.converge()  # compares the two

    assert world.outcomes(video) == ["completed"]
    text = world.text(video)
    assert ("emoji 🙂 rtl" in text, "'quotes\" \\ %s" in text) == (True, True)
    assert not set(text) & {"\x00", "\x07", "\n"}
    assert "🙂" in world.now(video).title


def test_m07_one_line_of_megabytes_is_stored(world):
    line = "a word and another " * 100_000
    video = world.submit(world.clip().answer_first(captions(line)))

    world.converge()

    assert world.text(video) == line.strip()


def test_m07_what_no_statement_can_hold_fails_at_once(world):
    video = world.submit(world.clip().answer_first(captions("a word and another " * 500_000)))

    world.converge()

    assert (world.outcomes(video), world.now(video).error_code) == (["failed"], "transcript_too_large")
    assert world.objects(video) == {}
