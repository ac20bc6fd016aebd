"""S3 as Django's storage. Imported where a bucket is configured, and only when a file is first asked for."""

from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage


class BoundedS3Storage(S3Storage):  # type: ignore[misc]
    """With time limits, and one try: a caller of the API waits; workers and sweeps try again by themselves."""

    def get_default_settings(self) -> dict[str, Any]:
        """The backend's own, and how long to wait for S3."""
        limits = Config(connect_timeout=2, read_timeout=7, retries={"total_max_attempts": 1}, signature_version="s3v4")
        settings: dict[str, Any] = super().get_default_settings() | {"client_config": limits}
        return settings
