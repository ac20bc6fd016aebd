"""Files as somebody might make them to harm who decodes them, byte by byte: no encoder would write them.

WebM is EBML: an id, a length, and that many bytes (https://www.matroska.org/technical/elements.html).
"""

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import sounds

MEGABYTE = 1 << 20

_EBML, _DOC_TYPE, _SEGMENT, _INFO, _DURATION = (
    b"\x1a\x45\xdf\xa3",
    b"\x42\x82",
    b"\x18\x53\x80\x67",
    b"\x15\x49\xa9\x66",
    b"\x44\x89",
)
_TRACKS, _ENTRY, _TRACK, _TYPE, _CODEC, _PRIVATE = b"\x16\x54\xae\x6b", b"\xae", b"\xd7", b"\x83", b"\x86", b"\x63\xa2"
_AUDIO, _HERTZ, _VIDEO, _WIDTH, _HEIGHT = b"\xe1", b"\xb5", b"\xe0", b"\xb0", b"\xba"
_CLUSTER, _TIME, _SIMPLE_BLOCK, _GROUP, _BLOCK, _BLOCK_DURATION = (
    b"\x1f\x43\xb6\x75",
    b"\xe7",
    b"\xa3",
    b"\xa0",
    b"\xa1",
    b"\x9b",
)

# Six frames of 20 ms without a byte in any (https://www.rfc-editor.org/rfc/rfc6716#section-3.2.5).
SILENCE, SILENCE_MS = b"\xfb\x06", 120
_OPUS_HEAD = b"OpusHead\x01\x01" + struct.pack("<HIhB", 0, 48_000, 0, 0)


def element(name: bytes, *content: bytes) -> bytes:
    return header(name, sum(map(len, content))) + b"".join(content)


def header(name: bytes, length: int) -> bytes:
    return name + (length | 1 << 56).to_bytes(8, "big")


def number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def opus_track(at: int = 1, private: bytes = _OPUS_HEAD) -> bytes:
    sound = element(_AUDIO, element(_HERTZ, struct.pack(">d", 48_000)))
    return element(
        _ENTRY,
        element(_TRACK, number(at)),
        element(_TYPE, b"\x02"),
        element(_CODEC, b"A_OPUS"),
        element(_PRIVATE, private),
        sound,
    )


def picture_track(at: int, width: int, height: int, codec: bytes = b"V_VP9") -> bytes:
    size = element(_VIDEO, element(_WIDTH, number(width)), element(_HEIGHT, number(height)))
    return element(_ENTRY, element(_TRACK, number(at)), element(_TYPE, b"\x01"), element(_CODEC, codec), size)


def webm(*tracks: bytes, clusters: bytes = b"", duration_ms: float | None = None) -> bytes:
    stated = element(_INFO, element(_DURATION, struct.pack(">d", duration_ms))) if duration_ms is not None else b""
    return element(_EBML, element(_DOC_TYPE, b"webm")) + element(_SEGMENT, stated, element(_TRACKS, *tracks), clusters)


def silence(packets: int, *, said_ms: int | None = None) -> bytes:
    """Packets of 120 ms in two bytes each; ``said_ms`` is how long each says that it is, where it says so."""
    written, a_cluster = [], 250  # a block's time is at most 32 s after its cluster's
    for first in range(0, packets, a_cluster):
        blocks = []
        for i in range(min(a_cluster, packets - first)):
            block = b"\x81" + struct.pack(">h", i * (said_ms or SILENCE_MS)) + b"\x80" + SILENCE
            if said_ms is None:
                blocks.append(element(_SIMPLE_BLOCK, block))
            else:
                blocks.append(element(_GROUP, element(_BLOCK, block), element(_BLOCK_DURATION, number(said_ms))))
        written.append(element(_CLUSTER, element(_TIME, number(first * (said_ms or SILENCE_MS))), *blocks))
    return b"".join(written)


def wanting_memory(path: Path, megabytes: int) -> Path:
    """Three tracks whose private data is so long, all zeros that are nowhere on the disk."""
    private = header(_PRIVATE, megabytes * MEGABYTE)
    before = element(_TRACK, number(1)) + element(_TYPE, b"\x02") + element(_CODEC, b"A_OPUS") + private
    entry = header(_ENTRY, len(before) + megabytes * MEGABYTE) + before
    a_track = len(entry) + megabytes * MEGABYTE
    tracks = header(_TRACKS, 3 * a_track)
    head = element(_EBML, element(_DOC_TYPE, b"webm")) + header(_SEGMENT, len(tracks) + 3 * a_track) + tracks
    with path.open("wb") as file:
        file.write(head)
        for i in range(3):
            file.seek(len(head) + i * a_track)
            file.write(entry)
        file.truncate(len(head) + 3 * a_track)
    return path


def mutations(original: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """The same file with a few bytes changed, a piece left out, doubled or moved: each time in another way."""
    chance = random.Random(seed)
    for _ in range(count):
        content = bytearray(original)
        for _ in range(chance.randint(1, 12)):
            at, length = chance.randrange(len(content)), chance.choice((1, 1, 1, 2, 8, 500))
            # Headers are short, and most of what can go wrong is there.
            at = at if chance.random() < 0.5 else at % 600
            change: Callable[[bytes], bytes] = chance.choice(
                [
                    lambda piece: chance.randbytes(len(piece)),
                    lambda piece: b"\xff" * len(piece),
                    lambda piece: b"",
                    lambda piece: piece * 2,
                ]
            )
            content[at : at + length] = change(bytes(content[at : at + length]))
        yield bytes(content)


def playlists(secret: Path) -> dict[str, str]:
    """Texts that make FFmpeg open another file, where nobody keeps it from it (CVE-2016-1898, and its relatives)."""
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT2S">'
        '<Period><AdaptationSet><Representation id="1" mimeType="audio/webm" codecs="opus">'
        f"<BaseURL>file://{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    session = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 97\n"
    return {
        "hls": hls.format(f"file://{secret}"),
        "hls, concatenated": hls.format(f"concat:{secret}|file:///etc/passwd"),
        "concat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "dash": dash,
        "sdp": session + "a=rtpmap:97 opus/48000/2\n",
        "url": f"[InternetShortcut]\nURL=file://{secret}\n",
    }


def with_reference(path: Path, secret: Path) -> Path:
    """An MP4 whose samples, as its header says, are in another file (QuickTime's data references)."""
    content = sounds.write(path, sounds.tone(2), "aac").read_bytes()
    own = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"  # "in this file"
    assert own in content
    there = f"file://{secret}".encode() + b"\x00"
    reference = struct.pack(">I", 12 + len(there)) + b"url \x00\x00\x00\x00" + there
    grown = len(reference) - len(own)
    at = content.index(own)
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):  # each holds the one before
        start = content.rindex(box, 0, at) - 4
        (length,) = struct.unpack_from(">I", content, start)
        content = content[:start] + struct.pack(">I", length + grown) + content[start + 4 :]
    path.write_bytes(content[:at] + reference + content[at + len(own) :])
    return path
