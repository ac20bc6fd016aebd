"""The decoder, on files that the tests make themselves."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import sounds
from transcripts.worker import audio
from transcripts.worker.decoder_answers import RATE
from transcripts.worker.errors import AudioIncomplete, AudioUnreadable, NoAudio

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}
DASH = {
    "movflags": "dash+delay_moov+global_sidx",
    "frag_duration": "1000000",
}  # states its whole length, as YouTube's does
KINDS = [
    pytest.param("a.webm", "libopus", {}, id="opus in webm"),
    pytest.param("a.m4a", "aac", {}, id="aac in m4a"),
    pytest.param("a.m4a", "aac", FRAGMENTED, id="aac in fragmented m4a"),
    pytest.param("a.m4a", "aac", DASH, id="aac in dash m4a"),
    pytest.param("a.webm", "vorbis", {}, id="vorbis in webm"),
    pytest.param("a.mp4", "ac3", {}, id="dolby in mp4"),
]
NOT_YOUTUBES = [
    pytest.param("a.ogg", "libopus", id="another container"),
    pytest.param("a.mkv", "libmp3lame", id="another codec"),
    pytest.param("a.flac", "flac", id="flac"),
    pytest.param("a.mp3", "libmp3lame", id="mp3"),
    pytest.param("a.wav", "pcm_s16le", id="wav"),
    pytest.param("a.ts", "aac", id="a stream"),
]


def decode(path: Path, seconds: float = 600) -> list[audio.Slice]:
    return list(audio.slices(path, length_ms=audio.measure(path), seconds=seconds))


# --- how long it is


@pytest.mark.parametrize(("name", "codec", "options"), KINDS)
def test_it_knows_the_length_without_decoding(tmp_path, name, codec, options):
    path = sounds.write(tmp_path / name, sounds.tone(5), codec, rate=48_000, **options)

    assert audio.measure(path) == pytest.approx(5_000, abs=60)


@pytest.mark.parametrize(("name", "options"), [("a.webm", {}), ("a.m4a", DASH)])
def test_it_sees_from_the_file_alone_that_its_end_is_missing(tmp_path, name, options):
    path = sounds.write(tmp_path / name, sounds.noise(10), "libopus" if name == "a.webm" else "aac", **options)

    with pytest.raises(AudioIncomplete):
        audio.measure(sounds.cut(path, 0.6))


@pytest.mark.parametrize(
    ("name", "codec", "options"), [("a.webm", "libopus", {"live": "1"}), ("a.m4a", "aac", FRAGMENTED)]
)
def test_it_sees_from_the_length_of_the_video_that_the_end_is_missing(tmp_path, name, codec, options):
    path = sounds.cut(sounds.write(tmp_path / name, sounds.noise(10), codec, **options), 0.6)

    with pytest.raises(AudioIncomplete):
        audio.measure(path, 10_000)


@pytest.mark.parametrize(
    ("seconds", "claimed_ms"), [(10, None), (10, 0), (10, 9_000), (10, 11_900), (100, 101_900), (300, 305_000)]
)
def test_it_takes_sound_that_ends_a_little_before_the_picture(tmp_path, seconds, claimed_ms):
    path = sounds.write(tmp_path / "a.webm", sounds.silence(seconds))

    assert audio.measure(path, claimed_ms) == pytest.approx(seconds * 1000, abs=60)


@pytest.mark.parametrize(("seconds", "claimed_ms"), [(100, 102_500), (300, 307_000)])
def test_it_refuses_sound_that_ends_well_before_the_picture(tmp_path, seconds, claimed_ms):
    path = sounds.write(tmp_path / "a.webm", sounds.silence(seconds))

    with pytest.raises(AudioIncomplete):
        audio.measure(path, claimed_ms)


def test_it_takes_the_length_of_the_picture_in_the_same_file_for_no_promise(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=1, width=32, height=32, pix_fmt="yuv420p")
        sound = container.add_stream("libopus", rate=sounds.RATE, layout="mono")
        for second in range(10):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts = second
            container.mux(picture.encode(frame))
        said = av.AudioFrame.from_ndarray(sounds.tone(1), format="s16", layout="mono")
        said.rate = sounds.RATE
        container.mux([*sound.encode(said), *sound.encode(None), *picture.encode(None)])

    assert audio.measure(path) == pytest.approx(1_000, abs=60)


# --- what is no sound


def test_it_says_that_a_picture_has_no_sound(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        for frame in (av.VideoFrame(32, 32, "yuv420p"), None):
            container.mux(stream.encode(frame))

    with pytest.raises(NoAudio):
        audio.measure(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>Sorry.</html>", id="a page"),
        pytest.param(np.random.default_rng(0).bytes(50_000), id="garbage"),
    ],
)
def test_it_cannot_read_what_is_no_media_file(tmp_path, content):
    path = tmp_path / "a.webm"
    path.write_bytes(content)

    with pytest.raises(AudioUnreadable) as caught:
        audio.measure(path)
    assert "Invalid data found" in str(caught.value.__cause__)


@pytest.mark.parametrize(("name", "codec"), NOT_YOUTUBES)
def test_it_cannot_read_what_youtube_never_serves(tmp_path, name, codec):
    path = sounds.write(tmp_path / name, sounds.tone(2), codec, rate=48_000)

    with pytest.raises(AudioUnreadable):
        decode(path)


def test_it_cannot_read_an_m4a_whose_index_at_the_end_is_missing(tmp_path):
    path = sounds.write(tmp_path / "a.m4a", sounds.noise(5), "aac")

    with pytest.raises(AudioUnreadable):
        audio.measure(sounds.cut(path, 0.6))


def test_it_cannot_read_a_file_that_ends_after_its_header(tmp_path):
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as container:
        container.add_stream("libopus", rate=48_000, layout="mono")
        container.start_encoding()

    with pytest.raises(AudioUnreadable):
        audio.measure(path)


def test_it_blames_not_the_audio_where_the_file_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        audio.measure(tmp_path / "a.webm")


# --- slices


@pytest.mark.parametrize(("name", "codec", "options"), KINDS)
def test_it_decodes_to_mono_at_16_khz(tmp_path, name, codec, options):
    stereo = np.concatenate([sounds.tone(5), sounds.tone(5, hertz=880)])
    path = sounds.write(tmp_path / name, stereo, codec, rate=48_000, **options)

    (only,) = decode(path)

    assert only.samples.dtype == np.float32
    assert only.samples.shape == pytest.approx((5 * RATE,), abs=0.06 * RATE)
    assert 0.1 < np.abs(only.samples).max() < 1


def test_it_decodes_a_tenth_of_a_second(tmp_path):
    (only,) = decode(sounds.write(tmp_path / "a.webm", sounds.tone(0.1)))

    assert only.end_ms == 100


def test_it_joins_slices_without_a_gap_or_an_overlap(tmp_path):
    path = sounds.write(tmp_path / "a.webm", sounds.noise(20))

    parts = decode(path, seconds=4)

    assert len(parts) == 5
    assert [part.start_ms for part in parts[1:]] == [part.end_ms for part in parts[:-1]]
    assert np.array_equal(np.concatenate([part.samples for part in parts]), decode(path)[0].samples)


def test_it_cuts_where_it_is_quiet(tmp_path):
    said = sounds.join(sounds.noise(9.3), sounds.silence(0.6), sounds.noise(10))

    first, _ = decode(sounds.write(tmp_path / "a.webm", said), seconds=10)

    assert 9_300 < first.end_ms < 9_900


def test_it_goes_on_after_a_broken_packet(tmp_path):
    path = sounds.write(tmp_path / "a.m4a", sounds.noise(10), "aac")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)

    assert decode(path)[-1].end_ms == pytest.approx(10_000, abs=300)


def test_it_never_hands_out_the_last_slice_of_what_cannot_be_decoded(tmp_path):
    path = sounds.write(tmp_path / "a.m4a", sounds.noise(12), "aac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : -2_000] = bytes(len(content) - len(content) // 2 - 2_000)
    path.write_bytes(content)

    with pytest.raises(AudioIncomplete):
        decode(path)


def test_it_follows_a_change_of_the_rate_on_the_way(tmp_path):
    first = sounds.write(tmp_path / "1.mp4", sounds.tone(5), "ac3", rate=48_000)
    second = sounds.write(tmp_path / "2.mp4", sounds.tone(5), "ac3", rate=32_000)
    both = tmp_path / "a.mkv"
    with av.open(str(both), "w") as container, av.open(str(first)) as before, av.open(str(second)) as after:
        stream = container.add_stream_from_template(before.streams.audio[0])
        for source, shift_ms in ((before, 0), (after, 5_000)):
            for packet in source.demux(audio=0):
                if packet.size:
                    packet.pts = packet.dts = round(packet.pts * packet.time_base * 1000) + shift_ms
                    packet.time_base = Fraction(1, 1000)
                    packet.stream = stream
                    container.mux(packet)

    (only,) = audio.slices(both, length_ms=10_000)

    assert only.end_ms == pytest.approx(10_000, abs=150)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed under /proc")
def test_it_lets_go_of_a_file_that_is_not_read_to_its_end(tmp_path):
    path = sounds.write(tmp_path / "a.webm", sounds.noise(20))
    slices = audio.slices(path, length_ms=20_000, seconds=4)
    next(slices)
    assert sounds.is_open(path)

    slices.close()

    assert not sounds.is_open(path)
