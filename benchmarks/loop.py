"""Runs in a stack's folder, with that stack's Python: calls the handler as the runtime client does, and times it.

It gets JSON lines ``{"events": [...], "answers": bool}`` on standard input, and says for each how many nanoseconds
each call took on the wall and by the processor; the answers as well where they are wanted.
"""

import gc
import importlib
import json
import resource
import sys
import time


class Context:
    """What a handler may ask of it."""

    aws_request_id = "8ba4ccb2-1d4e-4bb4-9a3c-0f5a1c1b9b3f"
    function_name = "yt-backend-default"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """As at the begin."""
        return 29_000


def main() -> None:
    """Until the input ends."""
    module, _, name = sys.argv[1].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        texts = [json.dumps(event) for event in asked["events"]]
        walls, processors, answers = [], [], []
        gc.collect()
        for text in texts:
            wall, processor = time.perf_counter_ns(), time.process_time_ns()
            answer = json.dumps(handler(json.loads(text), Context()))  # the runtime client reads and writes JSON, too
            processors.append(time.process_time_ns() - processor)
            walls.append(time.perf_counter_ns() - wall)
            if asked.get("answers"):
                answers.append(answer)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        out.write(json.dumps({"wall": walls, "processor": processors, "answers": answers, "peak_kb": peak}) + "\n")
        out.flush()


main()
