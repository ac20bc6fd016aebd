"""``manage.py video``."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.reporting import NothingFound, OperatorCommand, Report, ago, lasting
from transcripts import story
from videos.models import Video


class Command(OperatorCommand):
    """One video's story."""

    help = (
        "Tells the story of a video: where it stands, every attempt with its stage, times, worker, outcome and error, "
        "the message that was sent, its files with their sizes, the head of its transcript, and what you may do. "
        "Given YouTube's id or a link that several users have submitted, it lists theirs. Changes nothing."
    )
    examples = """
        video 0b9c31f2-1a5e-4a7c-9f5b-0a4bb0a2f7d1
        video dQw4w9WgXcQ
        video https://youtu.be/dQw4w9WgXcQ --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", metavar="ID", help="Our id, YouTube's id, or a link.")
        parser.add_argument("--segments", type=int, default=5, metavar="N", help="Of the transcript (%(default)s).")

    def run(self, report: Report, *, id: str, segments: int, **options: Any) -> None:  # noqa: A002 - the option's name
        found = story.matches(id)
        if not found:
            raise NothingFound(f"There is no video {id!r}: neither by our id, nor by YouTube's id, nor by that link.")
        if len(found) > 1:
            report.document({"matches": [_short(video) for video in found]})
            report.say(f"{len(found)} users have submitted it. Ask for one of:")
            for video in found:
                report.say(f"  {video.pk}  {video.status:10}  {ago(video.created_at):>18}  {video.user}")
            return
        told = story.tell(found[0])
        words = story.first_words(found[0], segments=segments)
        report.document(told | {"head": [{"start_ms": start, "text": text} for start, text in words]})
        _show(report, told, words)


def _short(video: Video) -> dict[str, Any]:
    return {"id": video.pk, "status": video.status, "user": video.user_id, "created_at": video.created_at}


def _show(report: Report, told: dict[str, Any], words: list[tuple[int, str]]) -> None:
    length = f", {lasting(told['duration_ms'] / 1000)}" if told["duration_ms"] else ""
    by = f" — {_one_line(told['channel'])}" if told["channel"] else ""
    report.say(f"{_one_line(told['title']) or '(no title yet)'}{by}{length}")
    report.say(f"  {told['url']}   video {told['id']}")
    report.say(f"  user {told['user']['id']} {told['user']['email']}")
    wanted = f" in {told['wanted_language']}" if told["wanted_language"] else ""
    report.say(f"  asked for {_when(told['requested_at'])}, mode {told['mode']}{wanted}")
    report.say()
    report.say(_standing(told), _STYLE.get(told["status"], ""))
    if told["error"]:
        report.say(f"  {told['error']['code']}: {told['error']['detail']}")
    report.say(f"  message {_sent(told['message'])}")
    report.say(f"  {told['message']['body']}")
    _show_attempts(report, told["attempts"])
    _show_files(report, told)
    if transcript := told["transcript"]:
        by = f"{transcript['source']} ({transcript['engine']}, {transcript['model']})"
        report.say(f"transcript in {transcript['language']}, from {by}, written {_when(transcript['created_at'])}")
    for start_ms, text in words:
        seconds = start_ms // 1000
        report.say(f"  {seconds // 60:>3}:{seconds % 60:02}  {_one_line(text)}")
    for sentence in _advice(told):
        report.say(f"→ {sentence}", "WARNING")


def _standing(told: dict[str, Any]) -> str:
    match told["status"]:
        case Video.Status.PROCESSING:
            return (
                f"processing: {told['stage']}, {told['progress']} %, attempt {told['attempt']}; "
                f"its lease ends {ago(told['lease_expires_at'])}"
            )
        case Video.Status.QUEUED:
            return f"queued, not before {_when(told['retry_at'])}" if told["retry_at"] else "queued, for any worker"
        case Video.Status.COMPLETED:
            return f"completed {_when(told['completed_at'])}"
    return f"failed {_when(told['updated_at'])}"


def _sent(message: dict[str, Any]) -> str:
    if message["sent_at"]:
        return f"sent {_when(message['sent_at'])}"
    if message["taken_at"]:
        return f"sent, and taken by a worker at {_when(message['taken_at'])}"
    return "not sent since it was last queued"


def _show_attempts(report: Report, attempts: list[dict[str, Any]]) -> None:
    report.say(f"attempts {len(attempts) or 'none'}")
    for row in attempts:
        took = "runs" if row["ended_at"] is None else lasting((row["ended_at"] - row["started_at"]).total_seconds())
        error = f"  {row['error_code']}: {_one_line(row['error_detail'])}" if row["error_code"] else ""
        report.say(
            f"  {row['number']}  {row['started_at']:%Y-%m-%d %H:%M:%S}  {took:>12}  {row['outcome']:11}  "
            f"{row['stage'] or '-':8}  {row['worker'] or '-'}  fence {row['fence']}{error}"
        )


def _show_files(report: Report, told: dict[str, Any]) -> None:
    if told["files"] is None:
        report.say("files unknown: storage does not answer. `manage.py doctor` says what to do.", "ERROR")
        return
    report.say(f"files {len(told['files']) or 'none'}")
    for row in told["files"]:
        size = "    LOST" if row["bytes"] is None else f"{row['bytes']:>12,} bytes"
        report.say(f"  {size}  {row['path']}  {row['is'] or 'named by no row'}")
    for row in told["deletions"]:
        report.say(f"  to be deleted {ago(row['due_at'])}: {row['prefix']}")


def _advice(told: dict[str, Any]) -> list[str]:
    pk, error = told["id"], told["error"]
    match told["status"]:
        case Video.Status.FAILED if error and error["retryable"]:
            return [f"The cause may have passed: manage.py reprocess {pk}"]
        case Video.Status.FAILED if error and error["code"] == "no_captions":
            return [f"To have it listened to instead: manage.py reprocess {pk} --mode auto"]
        case Video.Status.FAILED:
            return [
                "The video itself is the cause; its user has been told. To see whether that still holds: manage.py "
                f"check_youtube {told['url'][-11:]}"
            ]
        case Video.Status.PROCESSING:
            return [f"To take it away from its worker and begin anew: manage.py reprocess {pk} --force"]
        case Video.Status.QUEUED if not told["message"]["sent_at"] and not told["retry_at"]:
            return ["The next sweep sends it: manage.py sweep"]
    if any(row["bytes"] is None for row in told["files"] or ()):
        return ["The sweep writes a lost transcript anew and forgets lost audio."]
    return []


def _when(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({ago(moment)})"


def _one_line(text: str) -> str:
    return " ".join(text.split())


_STYLE = {Video.Status.COMPLETED: "SUCCESS", Video.Status.FAILED: "ERROR"}
