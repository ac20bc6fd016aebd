"""Rows M04 and M06, and what else may become of the process that decodes a video's sound."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests import hostile
from tests.faults.hooks import Signal, children
from tests.faults.processes import Process
from tests.faults.scenes import listener, spoken
from tests.faults.world import World

pytestmark = pytest.mark.faults


@contextmanager
def watched_decoder(worker: Process, world: World) -> Iterator[int]:
    """A descriptor that can be read when the decoder of a frozen worker is gone."""
    world.wait_for(lambda: worker.frozen, "the decoder is at work")
    (decoder,) = children(worker.pid)
    descriptor = os.pidfd_open(decoder)
    try:
        yield descriptor
    finally:
        with suppress(ProcessLookupError):  # one that has outlived its worker does not outlive the test
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)


def is_gone(descriptor: int, within: float = 5) -> bool:
    return bool(select.select([descriptor], [], [], within)[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_m04_a_decoder_that_dies_costs_an_attempt_and_no_worker(world, number):
    video = spoken(world)
    worker = listener(world, world.hook("decoding", Signal(number)))
    world.wait_until(video, "completed", within=60)

    assert (worker.alive, children(worker.pid)) == (True, [])
    assert world.outcomes(video) == ["released", "completed"]
    assert world.causes(video, "released") == ["decoder_failed"]
    world.converge()


def test_m04_a_video_that_kills_every_decoder_fails_and_keeps_nobody_from_the_next(world):
    video = spoken(world)
    worker = listener(world, world.hook("decoding", Signal(signal.SIGSEGV), always=True))
    world.wait_until(video, "failed", within=60)

    assert (world.now(video).error_code, world.outcomes(video)) == (
        "decoder_failed",
        ["released", "released", "failed"],
    )
    following = world.submit()
    world.wait_until(following, "completed")
    assert worker.alive
    world.converge()


def test_m04_a_decoder_that_hangs_is_ended(world):
    video = spoken(world)
    world.constants["transcripts.worker.decoding.DECODING_SECONDS"] = 1
    worker = listener(world, world.hook("decoding", Signal(signal.SIGSTOP)))
    world.wait_until(video, "completed", within=60)

    assert (worker.alive, children(worker.pid)) == (True, [])
    assert world.causes(video, "released") == ["decoder_failed"]
    world.converge()


def test_m06_a_decoder_dies_with_its_worker(world):
    video = spoken(world)
    hangs = world.hook("decoding", Signal(signal.SIGSTOP))
    worker = listener(world, hangs, world.freeze_at("decoding"), LEASE_SECONDS=1)

    with watched_decoder(worker, world) as decoder:
        worker.kill()
        assert is_gone(decoder), "the decoder has outlived its worker"

    listener(world)
    world.sweeper()
    world.wait_until(video, "completed", within=60)
    world.converge()
    assert world.outcomes(video) == ["lost", "completed"]


def test_w10_a_worker_that_is_told_to_stop_does_not_wait_for_its_decoder(world):
    video = spoken(world)
    hangs = world.hook("decoding", Signal(signal.SIGSTOP))
    worker = listener(world, hangs, world.freeze_at("decoding"), LEASE_SECONDS=60)

    with watched_decoder(worker, world) as decoder:
        worker.terminate()
        worker.thaw()
        assert worker.exit_code(within=20) == 0
        assert is_gone(decoder)

    assert (world.status(video), world.now(video).attempt) == ("queued", 0)
    listener(world)
    world.wait_until(video, "completed", within=60)
    world.converge()
    assert world.outcomes(video) == ["interrupted", "completed"]


def test_m08_silence_without_end_is_not_listened_to(world, tmp_path):
    video = spoken(world)
    bomb = tmp_path / "bomb.webm"
    bomb.write_bytes(hostile.webm(hostile.opus_track(), clusters=hostile.silence(570_000)))
    world.clip_of(video).media = bomb
    worker = listener(world)
    world.wait_until(video, "failed", within=60)

    assert (world.now(video).error_code, world.outcomes(video)) == ("audio_too_long", ["failed"])
    assert worker.alive
    world.converge()
