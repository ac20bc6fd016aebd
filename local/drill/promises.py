"""What was promised, looked at once there is peace again; each sentence says which promise was broken, and how."""

from collections.abc import Collection, Iterator

from django.core.files.storage import default_storage

from transcripts.models import Transcript
from videos import files
from videos.models import Attempt, Deletion, Video

PROMISES = {
    "ends": "every accepted link ends, by itself, in a transcript or in an honest reason",
    "kept": "what is completed has its transcript, in row and file",
    "once": "no work is stored twice, and nothing by a worker that had lost its claim",
    "gone": "nothing that was deleted comes back",
    "tidy": "no file and no message is left over",
}


def unrest(messages: int) -> str:
    """What is still to be done; empty: there is peace."""
    waiting = Video.objects.exclude(status__in=[Video.Status.COMPLETED, Video.Status.FAILED]).count()
    due = Deletion.objects.due().count()
    parts = {"videos at work": waiting, "messages": messages, "deletions": due}
    return ", ".join(f"{number} {name}" for name, number in parts.items() if number)


def broken(submitted: Collection[Video], deleted: Collection[Video], *, messages: int) -> list[tuple[str, str]]:
    """The promises that do not hold for these videos, each with what was seen instead."""
    gone = {video.pk for video in deleted}
    found = [fault for video in submitted if video.pk not in gone for fault in _of_kept(video)]
    found += [fault for video in deleted for fault in _of_deleted(video)]
    return found + list(_leftovers(messages))


def _of_kept(video: Video) -> Iterator[tuple[str, str]]:
    now = Video.objects.filter(pk=video.pk).first()
    if now is None or now.status != Video.Status.COMPLETED:
        yield "ends", f"{video.pk} is {now.status if now else 'lost'}, and should be completed"
        return
    transcript = Transcript.objects.filter(video=video).first()
    if transcript is None or not default_storage.exists(transcript.s3_path):
        yield "kept", f"{video.pk} is completed without its transcript"
        return
    winners = now.attempts.filter(outcome=Attempt.Outcome.COMPLETED)
    if [f"{now.files_prefix}{attempt.fence}/" for attempt in winners] != [transcript.s3_path.rpartition("/")[0] + "/"]:
        yield "once", f"{video.pk} was completed {len(winners)} times; its file is {transcript.s3_path}"


def _of_deleted(video: Video) -> Iterator[tuple[str, str]]:
    if Video.objects.filter(pk=video.pk).exists() or Transcript.objects.filter(video_id=video.pk).exists():
        yield "gone", f"{video.pk} is there again"
    if left := files.below(video.files_prefix):
        yield "gone", f"files of {video.pk} are left: {left}"


def _leftovers(messages: int) -> Iterator[tuple[str, str]]:
    named = set(Transcript.objects.values_list("s3_path", flat=True)) | set(
        Video.objects.values_list("s3_path", flat=True)
    )
    if strays := set(files.listed(after="", limit=1000)) - named:
        yield "tidy", f"files that nobody names: {sorted(strays)}"
    if messages:
        yield "tidy", f"{messages} messages are still in the queue"
