"""The SQS queue between the API and the worker. The only user of boto3 outside the storage backend.

A standard queue delivers at least once and in any order
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html),
so a message is only a hint: the worker believes its ``video_id`` and reads the rest from the row.
"""

import functools
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings

from videos import traces

if TYPE_CHECKING:
    from videos.models import Video

log = logging.getLogger(__name__)

MAX_DELAY_SECONDS = 900  # of a message in SQS
MAX_VISIBILITY_SECONDS = 43_200  # 12 hours from the receipt
DEAD_HIDDEN_SECONDS = 30  # from the next look at the dead letters
_MAX_BODY = 2000  # characters; ours have a few hundred, and what is longer is not worth reading


class QueueUnavailable(Exception):
    """SQS could not be reached, or refused."""


class Message(NamedTuple):
    """A message in the worker's hands until its visibility timeout ends."""

    receipt: str
    body: str
    traceparent: str = ""  # the span that has sent it, where there are traces

    @property
    def video_id(self) -> uuid.UUID | None:
        """The id that the body names, or None where the body is not ours."""
        if len(self.body) > _MAX_BODY:
            return None
        try:
            return uuid.UUID(json.loads(self.body)["video_id"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None


def body(video: "Video") -> str:
    """The message as others rely on it: three strings, nothing else."""
    return json.dumps({"video_id": str(video.pk), "url": video.url, "user_id": video.user_id})


def send(video: "Video", *, delay: float = 0) -> None:
    """Sends the job; ``delay`` in seconds, at most ``MAX_DELAY_SECONDS``."""
    with traces.span("send", kind="PRODUCER", about={"video.id": str(video.pk)}):
        # Beside the body, which others rely on: https://www.w3.org/TR/trace-context/
        told = {"traceparent": traces.traceparent()}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items() if value}
        _call("send_message", MessageBody=body(video), DelaySeconds=int(delay), MessageAttributes=attributes)


def receive(*, wait_seconds: int) -> Message | None:
    """One message, or None after a long poll of ``wait_seconds`` (at most 20)."""
    answer = _call(
        "receive_message",
        timeout=wait_seconds + 5,
        MaxNumberOfMessages=1,
        WaitTimeSeconds=wait_seconds,
        VisibilityTimeout=settings.LEASE_SECONDS,
        MessageAttributeNames=["traceparent"],
    )
    for message in answer.get("Messages", ()):
        trace = message.get("MessageAttributes", {}).get("traceparent", {})
        return Message(message["ReceiptHandle"], message["Body"], trace.get("StringValue", ""))
    return None


def receive_dead(url: str) -> list[Message]:
    """Up to ten messages from the dead-letter queue, without waiting."""
    answer = _call("receive_message", url=url, MaxNumberOfMessages=10, VisibilityTimeout=DEAD_HIDDEN_SECONDS)
    return [Message(message["ReceiptHandle"], message["Body"]) for message in answer.get("Messages", ())]


def delete_dead(url: str, message: Message) -> None:
    """This dead letter is settled."""
    _call("delete_message", url=url, ReceiptHandle=message.receipt)


def extend(message: Message, seconds: float) -> None:
    """Hides the message from other workers for so long from now on; 0 gives it back at once."""
    visible_in = max(0, min(int(seconds), MAX_VISIBILITY_SECONDS))
    _call("change_message_visibility", ReceiptHandle=message.receipt, VisibilityTimeout=visible_in)


def delete(message: Message) -> None:
    """The job needs this message no more."""
    _call("delete_message", ReceiptHandle=message.receipt)


def dead_letter_url() -> str:
    """Where the queue's redrive policy puts what was received too often; empty where it has none.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    """
    answer = _call("get_queue_attributes", AttributeNames=["RedrivePolicy"])
    policy = answer.get("Attributes", {}).get("RedrivePolicy")
    if not policy:
        return ""
    *_, account, name = json.loads(policy)["deadLetterTargetArn"].split(":")
    url: str = _call("get_queue_url", url=None, QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    return url


def _call(operation: str, *, timeout: int = 2, url: str | None = "", **parameters: Any) -> dict[str, Any]:
    """One request, one try: rows and sweeps are the retry, and a caller of the API must not wait.

    ``url`` is the queue's: ours where it is empty, none where it is None. Raises ``QueueUnavailable``.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    if not settings.SQS_QUEUE_URL:
        raise QueueUnavailable("SQS_QUEUE_URL is not set.")
    if url is not None:
        parameters["QueueUrl"] = url or settings.SQS_QUEUE_URL
    try:
        answer: dict[str, Any] = getattr(_client(timeout), operation)(**parameters)
    except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
        raise QueueUnavailable(f"SQS {operation} failed: {error}") from error
    return answer


@functools.cache
def _client(timeout: int) -> Any:
    """One client per read time-out; threads may share it."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=timeout, retries={"total_max_attempts": 1})
    return boto3.client("sqs", region_name=settings.AWS_REGION, config=config)
