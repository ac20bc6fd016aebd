"""The decoder as a process: what hostile files do to it, how it may end, and that it always does."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import av
import pytest

from tests import hostile, sounds
from transcripts.management.commands import run_worker
from transcripts.worker import alarm, audio, decoder, decoder_answers, decoding
from transcripts.worker.errors import (
    AudioIncomplete,
    AudioTooCostly,
    AudioTooLong,
    AudioUnreadable,
    DecoderFailed,
    JobError,
    SourceTooSlow,
)

ROOT = Path(__file__).parents[3]
TALK = ROOT / "local" / "sample" / "talk.webm"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are listed under /proc")
MUTATIONS = int(os.environ.get("MUTATIONS", "15"))  # of each kind


_of_others: list[int] = []  # servers of other tests


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    _of_others[:] = _children()
    yield
    assert children() == []


def children() -> list[int]:
    """That this process has had since the test began, zombies too."""
    return [pid for pid in _children() if pid not in _of_others]


def _children() -> list[int]:
    lists = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return [int(pid) for pid in " ".join(lists).split() if name(int(pid)).startswith("python")]


def name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text()
    return ""


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def silent(path: Path, packets: int, **said: int) -> Path:
    return written(path, hostile.webm(hostile.opus_track(), clusters=hostile.silence(packets, **said)))


def heard(path: Path, announced_ms: int | None = None) -> int:
    """Decode all of it; where it ends, in milliseconds."""
    return list(audio.slices(path, length_ms=audio.measure(path, announced_ms)))[-1].end_ms


# --- nothing is lost on the way


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(TALK, id="the sample"),
        pytest.param(("a.m4a", "aac"), id="aac"),
        pytest.param(("a.webm", "libopus"), id="opus"),
    ],
)
def test_it_says_the_same_samples_as_a_decoder_in_this_process(path, tmp_path):
    if isinstance(path, tuple):
        path = sounds.write(tmp_path / path[0], sounds.noise(20), path[1], rate=48_000)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
    for frame in frames[:-1]:
        frame.pts = None
    expected = b"".join(part.to_ndarray().tobytes() for frame in frames for part in resampler.resample(frame))

    assert b"".join(decoding.samples(path, length_ms=60_000)) == expected


def test_it_decodes_alike_with_and_without_a_process_around_it():
    with TALK.open("rb") as file:
        lengths = decoder.measure(file.fileno())
        file.seek(0)
        samples = b"".join(map(bytes, decoder.decode(file.fileno())))

    assert decoding.lengths(TALK) == lengths
    assert b"".join(decoding.samples(TALK, length_ms=lengths[0])) == samples


# --- hostile files


def test_it_takes_silence_that_is_honest(tmp_path):
    assert heard(silent(tmp_path / "a.webm", 100), 12_000) == 12_000


@pytest.mark.parametrize("announced_ms", [60_000, None])
def test_it_does_not_listen_to_silence_without_end(tmp_path, announced_ms):
    nineteen_hours = silent(tmp_path / "a.webm", 570_000)
    assert nineteen_hours.stat().st_size < 9_000_000

    with pytest.raises(AudioTooLong):
        audio.measure(nineteen_hours, announced_ms)


def test_it_does_not_listen_to_more_than_the_file_says_it_has(tmp_path):
    twenty_minutes = silent(tmp_path / "a.webm", 10_000, said_ms=1)
    assert audio.measure(twenty_minutes, 10_000) == 10_000

    with pytest.raises(AudioTooLong):
        heard(twenty_minutes, 10_000)


@pytest.mark.parametrize("duration_ms", [float("inf"), float("nan"), -1.0, 1e300])
def test_it_believes_no_length_that_is_none(tmp_path, duration_ms):
    path = tmp_path / "a.webm"
    path.write_bytes(hostile.webm(hostile.opus_track(), clusters=hostile.silence(100), duration_ms=duration_ms))

    assert heard(path) == 12_000


def test_it_does_without_the_names_in_a_file(tmp_path):
    content = TALK.read_bytes()
    assert b"Lavf" in content
    path = written(tmp_path / "a.webm", content.replace(b"Lavf", b"\xff\xfe\x80v"))

    assert heard(path) == heard(TALK)


def test_it_cannot_read_a_codec_that_nobody_knows(tmp_path):
    content = hostile.webm(hostile.opus_track(), clusters=hostile.silence(9)).replace(b"A_OPUS", b"A_NONE")

    with pytest.raises(AudioUnreadable):
        heard(written(tmp_path / "a.webm", content))


def test_it_misses_what_a_header_promises(tmp_path):
    path = tmp_path / "a.webm"
    path.write_bytes(hostile.webm(hostile.opus_track(), clusters=hostile.silence(100), duration_ms=60_000.0))

    with pytest.raises(AudioIncomplete):
        heard(path)


def test_it_is_not_impressed_by_thousands_of_streams(tmp_path):
    tracks = [hostile.opus_track(at) for at in range(1, 5_000)]
    path = written(tmp_path / "a.webm", hostile.webm(*tracks, clusters=hostile.silence(100)))

    assert heard(path) == 12_000


def test_it_makes_no_room_for_pictures_that_nobody_looks_at(tmp_path):
    pictures = [hostile.picture_track(2, 65_535, 65_535), hostile.picture_track(3, 2**31 - 1, 2**31 - 1)]
    path = written(tmp_path / "a.webm", hostile.webm(hostile.opus_track(), *pictures, clusters=hostile.silence(9)))

    assert heard(path) == 9 * hostile.SILENCE_MS


@ON_LINUX
def test_it_gets_no_more_memory_than_there_is_for_it(tmp_path):
    path = hostile.wanting_memory(tmp_path / "a.webm", 200)
    program = (
        "import resource, sys; from pathlib import Path; from transcripts.worker import decoding, errors\n"
        "try: decoding.lengths(Path(sys.argv[1]))\n"
        "except errors.JobError as error: print(error.code)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )

    said = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True)

    code, kilobytes = said.stdout.split()
    assert code in ("audio_unreadable", "audio_too_costly")
    assert int(kilobytes) < 512 * 1024


@ON_LINUX
def test_it_says_so_where_memory_is_not_enough(monkeypatch):
    monkeypatch.setattr(decoding, "MEMORY_BYTES", 1 << 20)  # there is more than that in use

    with pytest.raises(AudioTooCostly):
        heard(TALK)


@pytest.mark.parametrize("kind", hostile.playlists(Path("/")))
@pytest.mark.parametrize("suffix", [".webm", ".m3u8"])
def test_it_opens_no_file_that_another_names(tmp_path, kind, suffix):
    secret = sounds.write(tmp_path / "secret.webm", sounds.tone(2))
    path = written(tmp_path / f"a{suffix}", hostile.playlists(secret)[kind].encode())

    with pytest.raises(AudioUnreadable):
        audio.measure(path)
    # Not because of the sandbox alone: FFmpeg would not even if it could.
    with path.open("rb") as file, pytest.raises(av.FFmpegError):
        decoder.measure(file.fileno())


def test_it_takes_no_samples_from_a_file_that_another_refers_to(tmp_path):
    secret = written(tmp_path / "secret", os.urandom(100_000))
    path = hostile.with_reference(tmp_path / "a.mp4", secret)
    own = sounds.write(tmp_path / "own.mp4", sounds.tone(2), "aac")

    with path.open("rb") as file:
        samples = b"".join(map(bytes, decoder.decode(file.fileno())))

    assert len(samples) == len(b"".join(decoding.samples(own, length_ms=2_000)))
    assert b"".join(decoding.samples(path, length_ms=2_000)) == samples


@pytest.mark.parametrize(("file", "codec"), [("a.webm", "libopus"), ("a.m4a", "aac"), ("a.mp4", "ac3")])
def test_whatever_is_wrong_with_a_file_it_is_an_error_of_the_job_and_no_crash(tmp_path, file, codec):
    original = sounds.write(tmp_path / file, sounds.noise(2), codec, rate=48_000).read_bytes()

    failed = []
    for content in hostile.mutations(original, MUTATIONS):
        path = written(tmp_path / file, content)
        try:
            heard(path, 2_000)
        except DecoderFailed as error:
            failed.append(error.__cause__)
        except JobError:
            pass

    assert failed == []


# --- how a decoder ends


@ON_LINUX
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_decoder_that_dies_is_an_error_that_passes(tmp_path, number):
    decoded = decoding.samples(silent(tmp_path / "a.webm", 50_000), length_ms=6_000_000)
    next(decoded)
    (child,) = children()
    os.kill(child, number)

    with pytest.raises(DecoderFailed) as caught:
        list(decoded)
    assert number.name in str(caught.value.__cause__)
    assert (caught.value.permanent, caught.value.counted) == (False, True)


@ON_LINUX
def test_a_decoder_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(decoding, "DECODING_SECONDS", 1)
    decoded = decoding.samples(TALK, length_ms=0)
    next(decoded)
    (child,) = children()
    os.kill(child, signal.SIGSTOP)

    with pytest.raises(DecoderFailed) as caught:
        list(decoded)
    assert "said nothing" in str(caught.value.__cause__)


@ON_LINUX
def test_a_decoder_that_computes_for_too_long_is_no_matter_of_chance(monkeypatch, tmp_path):
    monkeypatch.setattr(decoding, "DECODING_SECONDS", 1)
    monkeypatch.setattr(decoding, "_PATIENCE", 100)  # this machine may be busy

    with pytest.raises(AudioTooCostly) as caught:
        list(decoding.samples(silent(tmp_path / "a.webm", 500_000), length_ms=0))
    assert "SIGXCPU" in str(caught.value.__cause__)
    assert caught.value.permanent


def test_a_decoder_that_cannot_start_is_an_error_of_the_job(monkeypatch):
    monkeypatch.setattr(decoding, "_COMMAND", ("/nowhere/python",))

    with pytest.raises(DecoderFailed) as caught:
        decoding.lengths(TALK)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import os; os.write(1, b'x')", id="too little"),
        pytest.param("import os; os.write(1, bytes(1 << 20))", id="too much"),
        pytest.param("raise SystemExit(3)", id="an exit code of its own"),
    ],
)
def test_a_decoder_that_was_taken_over_is_not_believed(monkeypatch, program):
    monkeypatch.setattr(decoding, "_COMMAND", (sys.executable, "-c", program))

    with pytest.raises(DecoderFailed):
        decoding.lengths(TALK)


@pytest.mark.parametrize("lengths", [(-5, -5), (2**62, 0)])
def test_a_length_that_cannot_be_is_none(monkeypatch, lengths):
    program = f"import os; os.write(1, {decoder_answers.LENGTHS.pack(*lengths)!r})"
    monkeypatch.setattr(decoding, "_COMMAND", (sys.executable, "-c", program))

    with pytest.raises((AudioUnreadable, AudioTooLong)):
        audio.measure(TALK)


@ON_LINUX
def test_it_ends_with_what_is_read_of_it(tmp_path):
    with closing(audio.slices(silent(tmp_path / "a.webm", 50_000), length_ms=6_000_000, seconds=10)) as slices:
        list(islice(slices, 2))
        assert len(children()) == 1

    assert children() == []


@ON_LINUX
def test_it_ends_when_the_time_is_up(tmp_path):
    decoded = decoding.samples(silent(tmp_path / "a.webm", 500_000), length_ms=60_000_000)
    next(decoded)
    (child,) = children()
    os.kill(child, signal.SIGSTOP)

    with pytest.raises(SourceTooSlow), alarm.limited(0.3, SourceTooSlow()):
        list(decoded)

    assert children() == []


@ON_LINUX
def test_it_dies_with_the_worker_however_that_dies(tmp_path):
    path = silent(tmp_path / "a.webm", 500_000)
    program = (
        "import pathlib, sys, threading; from transcripts.worker import decoding\n"
        "samples = decoding.samples(pathlib.Path(sys.argv[1]), length_ms=60_000_000); next(samples)\n"
        "print(pathlib.Path('/proc/thread-self/children').read_text(), flush=True); threading.Event().wait()"
    )
    worker = subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with worker:
        watched = os.pidfd_open(int(worker.stdout.readline()))
        assert select.select([watched], [], [], 0)[0] == []

        worker.kill()

    ended = select.select([watched], [], [], 20)[0]
    os.close(watched)
    assert ended


# --- what it has


@ON_LINUX
def test_it_gets_nothing_of_the_workers(monkeypatch, tmp_path):
    monkeypatch.setenv("DJANGO_SECRET_KEY", "secret")
    decoded = decoding.samples(silent(tmp_path / "a.webm", 50_000), length_ms=6_000_000)
    next(decoded)
    (child,) = children()

    environment = Path(f"/proc/{child}/environ").read_bytes()
    files = [str(path.readlink()) for path in Path(f"/proc/{child}/fd").iterdir()]
    status = Path(f"/proc/{child}/status").read_text()
    adjusted = Path(f"/proc/{child}/oom_score_adj").read_text()
    decoded.close()

    assert {line.partition(b"=")[0] for line in environment.split(b"\0") if line} <= {b"LD_LIBRARY_PATH"}
    assert {file.partition(":")[0] for file in files} == {"pipe", str(tmp_path / "a.webm")}
    assert ("NoNewPrivs:\t1" in status, "Seccomp:\t2" in status) == (True, True)
    assert adjusted.strip() == "1000"


@ON_LINUX
def test_it_tells_that_everything_is_in_force_here():
    assert decoding.lacking() == ""


@ON_LINUX
def test_it_imports_nothing_from_where_anybody_may_write(monkeypatch, tmp_path):
    for folder in (tmp_path, tmp_path / "av"):
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("raise SystemExit('planted')")
    (tmp_path / "struct.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "struct.py"))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert decoding.lengths(TALK)[0] > 50_000


@pytest.mark.parametrize(
    ("command", "words"),
    [
        pytest.param(
            (sys.executable, "-c", "import os; os.write(2, b'no filter here')"), "no filter here", id="lacking"
        ),
        pytest.param(("/nowhere/python",), "no decoder can be started", id="none at all"),
    ],
)
def test_a_worker_says_as_it_starts_what_its_decoders_are_not_kept_from(monkeypatch, caplog, command, words):
    monkeypatch.setattr(decoding, "_COMMAND", command)

    run_worker.look_at_the_decoder()

    (record,) = caplog.records
    assert words in record.getMessage()
    assert "docs/worker.md" in record.getMessage()


@ON_LINUX
def test_a_worker_has_nothing_to_say_where_everything_is_in_force(caplog):
    run_worker.look_at_the_decoder()

    assert caplog.records == []
