"""``manage.py reprocess``."""

import uuid
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from videos import services
from videos.models import Video


def video_id(text: str) -> uuid.UUID:
    """An argument that is the id of a video."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no id of a video: ids are UUIDs") from None


class Command(BaseCommand):
    """Starts videos again."""

    help = (
        "Starts completed and failed videos again, from the beginning. What they have stays until the new "
        "transcript takes its place. Exits with 1 if one of them could not be started."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="+", type=video_id, metavar="ID", help="The videos.")
        parser.add_argument("--force", action="store_true", help="Also those that wait or are in work.")
        parser.add_argument("--mode", choices=Video.Mode.values, help="Another mode than the user's.")

    def handle(self, *, ids: list[uuid.UUID], force: bool, mode: str | None, **options: Any) -> None:
        left = 0
        for pk in ids:
            video = Video.objects.filter(pk=pk).first()
            if video is None:
                self.stderr.write(f"{pk}: there is no such video.")
            elif services.reprocess_video(video, force=force, mode=mode):
                self.stdout.write(f"{pk}: queued")
                continue
            else:
                self.stderr.write(f"{pk}: it is {video.status}. Add --force to start it again all the same.")
            left += 1
        if left:
            raise CommandError(f"{left} of {len(ids)} could not be started.")
