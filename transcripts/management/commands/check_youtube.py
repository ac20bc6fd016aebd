"""``manage.py check_youtube``."""

import uuid
from typing import Any

from django.core.management.base import CommandParser

from accounts.reporting import NothingFound, OperatorCommand, Report, WrongCall, lasting
from transcripts.worker import advice, errors, youtube
from videos.models import Video
from videos.youtube_url import InvalidYouTubeURL, video_id


class Command(OperatorCommand):
    """What YouTube gives."""

    help = (
        "Asks YouTube about one video, by the worker's own way and with its own rules, and says what a job would get: "
        "title, length, captions, audio; or the refusal, with its code and what to do. Downloads nothing and changes "
        "nothing. For a worker's machine."
    )
    examples = """
        check_youtube dQw4w9WgXcQ
        check_youtube https://youtu.be/dQw4w9WgXcQ --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", metavar="ID", help="YouTube's id, a link, or our id.")

    def run(self, report: Report, *, id: str, **options: Any) -> None:  # noqa: A002 - the option's name
        youtube_id = _youtube_id(id)
        try:
            extraction = youtube.extract(youtube_id)
        except errors.JobError as error:
            raise _refused(report, youtube_id, error) from error
        found, offers = extraction.metadata, extraction.offers()
        report.document({"youtube_id": youtube_id, "available": True} | vars(found) | offers)
        report.say(found.title, "SUCCESS")
        report.say(
            f"  {found.channel}, {lasting((found.duration_ms or 0) / 1000)}, spoken: {found.language or 'unknown'}"
        )
        report.say(f"captions  {len(offers['captions']) or 'none: it has to be listened to'}")
        for track in offers["captions"]:
            report.say(f"  {track['language']:8} {'automatic' if track['automatic'] else 'a person’s'}")
        report.say(f"audio     {len(offers['audio']) or 'none'}")
        for form in offers["audio"]:
            size = f"{form['filesize']:>12,} bytes" if form["filesize"] else "size unknown"
            report.say(f"  {form['format_id']:8} {form['acodec']:12} {form['ext']:5}  {size}")


def _youtube_id(text: str) -> str:
    try:
        ours = uuid.UUID(text)
    except ValueError:
        pass
    else:
        found = Video.objects.filter(pk=ours).values_list("youtube_id", flat=True).first()
        if found is None:
            raise NothingFound(f"There is no video with our id {text}. YouTube's own ids have eleven characters.")
        return found
    try:
        return video_id(text if "/" in text else f"https://youtu.be/{text}")
    except InvalidYouTubeURL as error:
        raise WrongCall(f"{text!r}: {error}") from None


def _refused(report: Report, youtube_id: str, error: errors.JobError) -> NothingFound:
    what = advice.what_to_do(error)
    cause = str(error.__cause__ or "").splitlines()[:1]
    report.document(
        {
            "youtube_id": youtube_id,
            "available": False,
            "code": error.code,
            "detail": str(error),
            "permanent": error.permanent,
            "cause": "".join(cause),
            "advice": what,
        }
    )
    report.say(f"{error.code}: {error}", "ERROR")
    report.say(f"  a job {'fails at once' if error.permanent else 'is tried again by itself'}")
    if cause:
        report.say(f"  yt-dlp: {cause[0][:300]}")
    report.say(f"→ {what}")
    return NothingFound("YouTube does not give this video to this machine now.")
