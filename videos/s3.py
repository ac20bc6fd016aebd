"""S3 as Django's storage. Imported where a bucket is configured, and only when a file is first asked for."""

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage

LARGEST_UPLOAD = 5 * 1024**3  # bytes that S3 takes at once


class BoundedS3Storage(S3Storage):  # type: ignore[misc]
    """With time limits, and one try: a caller of the API waits; workers and sweeps try again by themselves."""

    def get_default_settings(self) -> dict[str, Any]:
        """The backend's own, and how long to wait for S3."""
        limits = Config(connect_timeout=2, read_timeout=7, retries={"total_max_attempts": 1}, signature_version="s3v4")
        # In one piece, because the parts of an upload that was broken off lie about unseen, and are paid for
        # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html).
        whole = TransferConfig(multipart_threshold=LARGEST_UPLOAD + 1, use_threads=False)
        settings: dict[str, Any] = super().get_default_settings() | {"client_config": limits, "transfer_config": whole}
        return settings
