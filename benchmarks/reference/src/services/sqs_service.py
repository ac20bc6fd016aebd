"""The queue."""

import json
import os

import boto3

from src.database.models import Video

sqs = boto3.client("sqs")


def send_job(video: Video) -> None:
    """One message: three strings."""
    body = {"video_id": str(video.id), "url": video.url, "user_id": video.user_id}
    sqs.send_message(QueueUrl=os.environ["SQS_QUEUE_URL"], MessageBody=json.dumps(body))
