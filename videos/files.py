"""What Django's storage API has no call for: deleting below a prefix, and signed addresses without a bucket."""

import logging
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core import signing
from django.core.files.storage import FileSystemStorage, default_storage
from django.urls import reverse

log = logging.getLogger(__name__)


def errors() -> tuple[type[Exception], ...]:
    """What the configured storage raises when it cannot be reached or refuses."""
    if not settings.S3_BUCKET:
        return (OSError,)
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return (OSError, BotoCoreError, ClientError, ResponseParserError)


def delete_below(prefix: str) -> bool:
    """Deletes every file below ``prefix``, which ends with a slash. Safe to repeat.

    False where the storage failed on the way: something may be left, and the caller decides who looks again.
    """
    try:
        for path in list(_below(prefix)):
            default_storage.delete(path)
    except errors() as error:
        log.warning("files below %s could not be deleted: %s", prefix, error)
        return False
    return True


def listed(*, after: str, limit: int) -> list[str]:
    """The next files of all videos after a path, in the order of their paths. Raises ``errors()``."""
    if settings.S3_BUCKET:
        found = default_storage.bucket.objects.filter(Prefix="videos/", Marker=after)  # type: ignore[attr-defined]
        return [summary.key for summary in found.limit(limit)]
    root = Path(default_storage.path(""))
    paths = (path.relative_to(root).as_posix() for path in (root / "videos").rglob("*") if path.is_file())
    return sorted(path for path in paths if path > after)[:limit]


def below(prefix: str) -> list[str]:
    """Every file below ``prefix``, which ends with a slash. Raises ``errors()``."""
    return [path for path in _below(prefix) if not path.endswith("/")]


def sized(prefix: str, *, limit: int = 100) -> list[tuple[str, int]]:
    """The first files below a prefix with their sizes in bytes. Raises ``errors()``."""
    if settings.S3_BUCKET:
        found = default_storage.bucket.objects.filter(Prefix=prefix).limit(limit)  # type: ignore[attr-defined]
        return [(summary.key, summary.size) for summary in found]
    paths = [path for path in _below(prefix) if not path.endswith("/")]
    return [(path, default_storage.size(path)) for path in sorted(paths)[:limit]]


def _below(prefix: str) -> Iterator[str]:
    """Files below a prefix; on a file system also the folders, each after what lies in it."""
    try:
        folders, names = default_storage.listdir(prefix)
    except FileNotFoundError:
        return
    yield from (prefix + name for name in names if name)
    for folder in folders:
        yield from _below(f"{prefix}{folder}/")
    if not settings.S3_BUCKET:  # only a file system has folders that stay behind
        yield prefix


class SignedFileSystemStorage(FileSystemStorage):
    """The file system where there is no bucket; its addresses are signed and expire, as S3's do."""

    def url(self, name: str | None) -> str:
        """An address that anybody may use for ``FILES_SIGNING_SECONDS``."""
        return reverse("file", args=[signing.dumps(name, salt="videos.files")])


def signed_name(token: str) -> str:
    """The file that ``SignedFileSystemStorage.url`` meant. Raises ``signing.BadSignature``, also when too old."""
    name: str = signing.loads(token, salt="videos.files", max_age=settings.FILES_SIGNING_SECONDS)
    return name
