"""The SQS queue between the API and the worker. The only user of boto3 outside the storage backend.

A standard queue delivers at least once and in any order
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html),
so a message is only a hint: the worker believes its ``video_id`` and reads the rest from the row.
"""

import functools
import json
import logging
import threading
import uuid
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings

from videos import traces

if TYPE_CHECKING:
    from videos.models import Video

log = logging.getLogger(__name__)

MAX_DELAY_SECONDS = 900  # of a message in SQS
MAX_VISIBILITY_SECONDS = 43_200  # 12 hours from the receipt
DEAD_HIDDEN_SECONDS = 30  # from the next look at the dead letters
SENT_AT_ONCE = 10  # messages that SQS takes in one request
BATCH_SECONDS = 5  # for a request that nobody waits for but an operator
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


def send_many(videos: Sequence["Video"]) -> list["Video"]:
    """Sends the jobs of ten videos at most in one request; returns those that SQS took, which may be fewer.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
    """
    entries = [{"Id": str(number), "MessageBody": body(video)} for number, video in enumerate(videos)]
    answer = _call("send_message_batch", timeout=BATCH_SECONDS, Entries=entries)
    for refused in answer.get("Failed", ()):
        log.warning("SQS did not take a message: %s %s", refused.get("Code"), refused.get("Message"))
    return [videos[int(taken["Id"])] for taken in answer.get("Successful", ())]


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


def release_dead(url: str, message: Message) -> None:
    """This dead letter was only looked at: the next who looks sees it at once."""
    _call("change_message_visibility", url=url, ReceiptHandle=message.receipt, VisibilityTimeout=0)


class Depth(NamedTuple):
    """About how many messages there are; SQS itself calls its counts approximate."""

    waiting: int
    in_flight: int
    delayed: int


def depth(url: str = "") -> Depth:
    """Of our queue, or of the one with this URL. Raises ``QueueUnavailable``."""
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    found = _call("get_queue_attributes", url=url, AttributeNames=names).get("Attributes", {})
    return Depth(*(int(found.get(name, 0)) for name in names))


def clock() -> datetime:
    """What time SQS has, by the head of an answer (https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1)."""
    answer = _call("get_queue_attributes", AttributeNames=["QueueArn"])
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


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
    policy = redrive_policy()
    if not policy:
        return ""
    *_, account, name = policy["deadLetterTargetArn"].split(":")
    url: str = _call("get_queue_url", url=None, QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    return url


def redrive_policy() -> dict[str, Any]:
    """``deadLetterTargetArn`` and ``maxReceiveCount``; empty where the queue has none."""
    answer = _call("get_queue_attributes", AttributeNames=["RedrivePolicy"])
    policy: dict[str, Any] = json.loads(answer.get("Attributes", {}).get("RedrivePolicy") or "{}")
    return policy


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


_making = threading.Lock()


@functools.cache
def _client(timeout: int) -> Any:
    """One client per read time-out; threads may share it, but not make several at once.

    https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions
    """
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=timeout, retries={"total_max_attempts": 1})
    with _making:
        return boto3.client("sqs", region_name=settings.AWS_REGION, config=config)
