"""``make run``: the embedded stack, left running; data survives a restart, and what was queued goes on."""

import os
import signal
import sys
import time
from types import FrameType

from rich.console import Console

from local import youtube
from local.folder import DATA
from local.stack import Stack, StackError, youtube_is_reachable

ADMIN = "admin"
ADMIN_PASSWORD = "embedded-stack-only"
SWEEP_SECONDS = "10"

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Runs until Ctrl-C or SIGTERM; returns the exit code."""
    # Both: a shell without job control has what it starts in the background ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    sample = not youtube_is_reachable()
    try:
        with Stack(DATA, port=_port(), sample=sample) as stack:
            _prepare(stack)
            stack.start("API", "runserver", stack.api_url.removeprefix("http://"), log=False)
            stack.start("worker", "run_worker", log=False)
            stack.start("sweep", "sweep", "--every", SWEEP_SECONDS, log=False)
            stack.wait_for_api()
            _tell(stack, sample=sample)
            while True:
                stack.check_children()
                time.sleep(1)
    except StackError as error:
        console.print(f"{error}", style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print(f"\nStopped. The data stays in {DATA}/; [bold]make run[/] goes on from there.")
        return 0


def _port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise StackError(f"PORT is {text!r}, but must be a number from 1 to 65535.")
    return int(text)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _prepare(stack: Stack) -> None:
    """An admin to log in with; and since the queue was only in memory, every queued row is sent anew."""
    stack.manage("shell", "--verbosity=0", "--command", _PREPARATION)


_PREPARATION = f"""
from accounts.models import User
from videos.models import Video
if not User.objects.filter(id={ADMIN!r}).exists():
    User.objects.create_superuser({ADMIN!r}, {ADMIN_PASSWORD!r}, email="admin@example.com")
Video.objects.filter(status=Video.Status.QUEUED).update(enqueued_at=None)
"""


def _tell(stack: Stack, *, sample: bool) -> None:
    api, links = stack.api_url, ["https://youtu.be/dQw4w9WgXcQ"]
    if sample:
        links = [f"https://youtu.be/{video.id}" for video in youtube.sample_videos()]
        console.print("YouTube cannot be reached from here: a stand-in with two sample videos takes its place.")
    console.print(f"""
[bold]API[/]    {api}
[bold]docs[/]   {api}/docs
[bold]admin[/]  {api}/admin/   sign in as who you like, or login [bold]{ADMIN}[/], password [bold]{ADMIN_PASSWORD}[/]

[bold]Paste this[/] (the token is good for a day):

TOKEN={stack.token()}
curl -s {api}/analyze -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"url": "{links[0]}"}}'
curl -s {api}/videos -H "Authorization: Bearer $TOKEN"

Other links to try: {", ".join(links[1:] or links)}
Commands for operators: .venv/bin/python -m local.manage doctor (or queue, video ID, help …)
Ctrl-C stops everything; the data stays in {DATA}/.
""")


if __name__ == "__main__":
    sys.exit(main())
