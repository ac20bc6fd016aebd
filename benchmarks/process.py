"""What a process takes, as Linux tells it."""

import re
import time
from pathlib import Path


def memory_mb(what: str = "VmRSS", process: str = "self") -> float:
    """Read a process' memory in megabytes: ``VmRSS`` now, ``VmHWM`` at its peak."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("utf-8"))
    return int(found[1]) / 1024 if found else 0.0


def processor_ms(pid: int) -> float:
    """Read its time on a processor so far, of threads that have ended, too (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e6
