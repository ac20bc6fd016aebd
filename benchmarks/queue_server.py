"""Moto's SQS in a process of its own: ``python -m benchmarks.queue_server PORT FILE``.

Writes the body of each message that it takes as a line into the file, so that they can be counted. Moto counts all
messages of a queue for each one that it takes, which takes 30 ms where there are a thousand; here it does not.
"""

import logging
import sys
from pathlib import Path
from typing import Any

from moto.server import main as serve
from moto.sqs.models import Queue


def main() -> None:
    """Serves until it is ended."""
    port, path = sys.argv[1:]
    add = Queue.add_message
    with Path(path).open("w", buffering=1, encoding="utf-8") as taken:

        def add_and_write(self: Any, message: Any) -> None:
            taken.write(message.body + "\n")
            add(self, message)

        mended = {
            "add_message": add_and_write,
            "approximate_number_of_messages": property(lambda queue: len(queue._messages)),
            "approximate_number_of_messages_delayed": 0,
            "approximate_number_of_messages_not_visible": 0,
        }
        for name, value in mended.items():
            setattr(Queue, name, value)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
        serve(["-H", "127.0.0.1", "-p", port])


if __name__ == "__main__":
    main()
