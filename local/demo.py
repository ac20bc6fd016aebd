"""``make demo``: the main job once, end to end, over HTTP, on this machine alone.

A link is posted with a token, a worker takes the job from the queue, and the transcript is read back.
Without an argument the links are two samples: one with captions, one that has to be listened to.
"""

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local.folder import DATA
from local.stack import Stack, StackError, youtube_is_reachable
from videos.youtube_url import InvalidYouTubeURL, video_id

FOLDER = DATA / "demo"
SAMPLES = (
    ("https://youtu.be/SampleCapt1", "A video with captions: they are taken as they are."),
    ("https://www.youtube.com/shorts/SampleVoice", "A video without captions: it is listened to."),
)
GIVE_UP_SECONDS = 3600
SHOWN_SEGMENTS = 12

console = Console(highlight=False)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 when every link has become a transcript."""
    links = [(arguments[0], "Your link.")] if arguments else list(SAMPLES)
    try:
        video_id(links[0][0])
    except InvalidYouTubeURL as error:
        console.print(f"{links[0][0]}: {error}", markup=False)
        return 2
    sample = not arguments
    if arguments and not youtube_is_reachable():
        console.print(
            "[bold yellow]YouTube cannot be reached from this machine[/] (nor through YOUTUBE_PROXY_URL, if set), "
            f"so {escape(arguments[0])} cannot be transcribed here. Showing the sample instead.",
        )
        links, sample = list(SAMPLES), True
    elif sample:
        console.print(
            "No URL was given: showing the sample, two short videos of a stand-in of YouTube on this machine."
        )
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        with ExitStack() as parts:
            with console.status("Starting API, queue and worker …"):
                stack = parts.enter_context(Stack(FOLDER, sample=sample))
            stack.start("api", "runserver", stack.api_url.removeprefix("http://"), "--noreload", log=True)
            stack.start("worker", "run_worker", log=True)
            stack.wait_for_api()
            token = stack.token()
            done = [_show(stack, token, link, about) for link, about in links]
    except StackError as error:
        console.print(str(error), style="bold red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    console.print(f"Database, files and logs are in [bold]{FOLDER}/[/].")
    console.print("[bold]make run[/] starts the same and leaves it running, with docs and admin to click through.")
    return 0 if all(done) else 1


def _show(stack: Stack, token: str, link: str, about: str) -> bool:
    console.rule(f"[bold]{about}")
    console.print(f"POST /analyze [cyan]{escape(link)}")
    status, video = _call(stack, token, "POST", "/analyze", {"url": link})
    if status >= 400:
        console.print(f"{status}: {video['detail']}", style="red", markup=False)
        return False
    console.print(f"{status}: video {video['id']} is {video['status']}")
    video = _follow(stack, token, video)
    if video["status"] != "completed":
        error = video["error"] or {"code": "timeout", "detail": "It takes too long; see worker.log."}
        console.print(f"{error['code']}: {error['detail']}", style="red", markup=False)
        return False
    _, transcript = _call(stack, token, "GET", f"/videos/{video['id']}/transcript")
    _print_transcript(video, transcript)
    return True


def _follow(stack: Stack, token: str, video: dict[str, Any]) -> dict[str, Any]:
    bar = Progress(
        TextColumn("{task.description:10}"), BarColumn(40), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn()
    )
    end = time.monotonic() + GIVE_UP_SECONDS
    with bar:
        task = bar.add_task("queued", total=100)
        while time.monotonic() < end:
            stack.check_children()
            _, video = _call(stack, token, "GET", f"/videos/{video['id']}")
            bar.update(task, completed=video["progress"], description=video["stage"] or video["status"])
            if video["status"] in ("completed", "failed"):
                break
            time.sleep(0.2)
    return video


def _print_transcript(video: dict[str, Any], transcript: dict[str, Any]) -> None:
    segments = transcript["segments"]
    table = Table(
        title=escape(f"{video['title']} — {video['channel']}"), title_style="bold", show_header=False, box=None
    )
    table.add_column(style="green", justify="right")
    table.add_column()
    for segment in segments[:SHOWN_SEGMENTS]:
        seconds = segment["start_ms"] // 1000
        table.add_row(f"{seconds // 60}:{seconds % 60:02}", escape(segment["text"]))
    console.print(table)
    if len(segments) > SHOWN_SEGMENTS:
        console.print(f"… and {len(segments) - SHOWN_SEGMENTS} segments more.")
    how = f"{transcript['source']} ({transcript['engine']}, {transcript['model']})"
    console.print(
        f"{len(transcript['content'].split())} words in {transcript['language']}, from {how}.\n", markup=False
    )


def _call(stack: Stack, token: str, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - our own API on loopback
        stack.api_url + path,
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
