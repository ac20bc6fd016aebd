"""How the decoder answers: what it writes, and what its end means. Known to both sides, and free of FFmpeg."""

import struct

RATE = 16_000  # samples per second: what Whisper was trained on
SAMPLE_BYTES = 2  # signed, in the machine's order, mono

LENGTHS = struct.Struct("=qq")  # milliseconds: counted, and as the header states it (0 where it does not)
NO_AUDIO, UNREADABLE, OUT_OF_MEMORY = 10, 11, 12  # exit codes; Python's own are 1 and 2
