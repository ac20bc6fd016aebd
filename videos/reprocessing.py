"""Many videos started again, without drowning the database or the queue.

Ten at a time, as many as SQS takes at once: one transaction, then one request, while the next ten are committed. What
was committed and could not be sent is in the state of every row whose message is lost: the sweep sends it. So it may be
stopped, or killed, anywhere.
"""

import logging
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from django.db import Error as DatabaseFailed
from django.db import OperationalError, connection, transaction
from django.db.models import Count, QuerySet

from videos import queue
from videos.models import Deletion, Video
from videos.transactions import repeated

log = logging.getLogger(__name__)

WINDOW = 5000  # rows that one question looks at, whatever it is looking for
SENDERS = 4  # requests to the queue under way at once: one takes about as long as four transactions
PATIENCE_SECONDS = 30  # for a database that fails in passing: an operator waits

Ids = Sequence[uuid.UUID]


class Started(NamedTuple):
    """What became of a few videos."""

    queued: list[Video]
    unsent: list[Video]  # of these, and for the sweep to send
    left: dict[uuid.UUID, str]  # in a state that was not asked for, or locked; with the state
    unknown: list[uuid.UUID]
    trouble: str = ""  # why nothing more can be sent


def tens(ids: Ids) -> Iterator[list[uuid.UUID]]:
    """As many at once as SQS takes."""
    for begin in range(0, len(ids), queue.SENT_AT_ONCE):
        yield list(ids[begin : begin + queue.SENT_AT_ONCE])


def slices(rows: "QuerySet[Video]") -> Iterator[list[uuid.UUID]]:
    """The ids of all these rows, ten at a time.

    By keyset, a window of the primary key after the other, so that no question takes long however few of
    a million rows it is about.
    """
    rest: list[uuid.UUID] = []
    for window in _windows(rows):
        rest += window
        whole = len(rest) - len(rest) % queue.SENT_AT_ONCE
        yield from tens(rest[:whole])
        rest = rest[whole:]
    yield from tens(rest)


def _windows(rows: "QuerySet[Video]") -> Iterator[list[uuid.UUID]]:
    every = Video.objects.order_by("pk").values_list("pk", flat=True)
    wanted = rows.order_by("pk").values_list("pk", flat=True)
    after = uuid.UUID(int=0)
    # Only where the window ends is asked for: its other ids are nobody's business.
    while last := _asked(every.filter(pk__gt=after)[WINDOW - 1 : WINDOW]):
        yield _asked(wanted.filter(pk__gt=after, pk__lte=last[0]))
        after = last[0]
    yield _asked(wanted.filter(pk__gt=after))


def _asked(ids: "QuerySet[Video, uuid.UUID]") -> list[uuid.UUID]:
    return repeated(lambda: list(ids.all()), seconds=PATIENCE_SECONDS)


def counted(rows: "QuerySet[Video]") -> dict[tuple[str, str], int] | None:
    """How many there are by state and code; None where the database would take too long to say."""
    try:
        found = rows.order_by().values("status", "error_code").annotate(number=Count("pk"))
        return {(row["status"], row["error_code"]): row["number"] for row in found}
    except OperationalError as error:
        log.warning("they are not counted beforehand: %s", error)
        connection.close()
        return None


def start(ids: Ids, *, states: Sequence[Video.Status], mode: str | None = None, language: str | None = None) -> Started:
    """Starts those of these ten that are in one of the states, and sends them. Raises what the database raises."""
    (started,) = start_all([ids], states=states, mode=mode, language=language)
    return started


def start_all(
    slices: Iterable[Ids],
    *,
    states: Sequence[Video.Status],
    mode: str | None = None,
    language: str | None = None,
    ahead: int = SENDERS,
) -> Iterator[Started]:
    """The same for any number of tens, each sent while the next are committed; what became of them, in their order.

    Nobody goes ahead before the first ten are sent, and then by one more each time, up to ``ahead``: where the queue is
    down, few are left to the sweep. Whoever has heard of trouble ends ``slices``, and hears of those under way.
    """
    under_way: deque[tuple[Ids, list[Video], Future[tuple[list[Video], str]]]] = deque()
    allowed = 1
    with ThreadPoolExecutor(ahead) as senders:
        try:
            for ids in slices:
                queued = _committed(ids, states, mode=mode, wanted_language=language)
                under_way.append((ids, queued, senders.submit(_send, queued)))
                if len(under_way) == allowed:
                    yield _settled(*under_way.popleft())
                    allowed = min(allowed + 1, ahead)
            while under_way:
                yield _settled(*under_way.popleft())
        finally:  # what is under way is stamped, although nobody hears of it any more
            while under_way:
                _settled(*under_way.popleft())


def _committed(ids: Ids, states: Sequence[Video.Status], **wanted: str | None) -> list[Video]:
    """Those that are started; repeated after a COMMIT whose answer was lost, it knows its own work again."""
    tried: dict[uuid.UUID, int] = {}  # under which fence

    def transfer() -> list[Video]:
        with transaction.atomic():
            locked = _locked(ids)
            mine = [video for video in locked if _is_ours(video, tried)]
            fresh = [video for video in locked if video.status in states and video not in mine]
            tried.update({video.pk: video.fence for video in fresh})
            _start_anew(fresh, **wanted)
            for video in fresh:
                video.fence += 1
            return mine + fresh

    return repeated(transfer, seconds=PATIENCE_SECONDS)


def _settled(ids: Ids, queued: list[Video], sending: "Future[tuple[list[Video], str]]") -> Started:
    """Waits for the queue, and writes down what it took."""
    sent, trouble = sending.result()
    try:
        Video.objects.sent(sent)
    except DatabaseFailed as error:
        log.warning("%d videos were sent, and are sent once more by the next sweep: %s", len(sent), error)
    others = set(ids) - {video.pk for video in queued}
    left = dict(Video.objects.filter(pk__in=others).values_list("pk", "status"))
    unsent = [video for video in queued if video not in sent]
    return Started(queued, unsent, left, [pk for pk in ids if pk in others - left.keys()], trouble)


def _locked(ids: Ids) -> list[Video]:
    """Whoever holds a row for long does not hold us up."""
    rows = Video.objects.select_for_update(skip_locked=True).only("status", "fence", "url", "user_id")
    return list(rows.filter(pk__in=ids).order_by("pk"))


def _is_ours(video: Video, tried: dict[uuid.UUID, int]) -> bool:
    return video.status == Video.Status.QUEUED and video.fence == tried.get(video.pk, -2) + 1


def _start_anew(videos: Sequence[Video], **wanted: str | None) -> None:
    """Those that are locked already, in one statement where none is in work: an operator may start thousands.

    Free of charge for their users. ``services._start_anew`` is for one, which it locks, and counts where its user asks.
    """
    Video.objects.filter(pk__in=[video.pk for video in videos]).reprocess(unmetered=True, **wanted)
    for video in videos:
        if video.status == Video.Status.PROCESSING:  # its attempt ends, and the files of its worker are to go
            video.reprocess(from_states=[Video.Status.PROCESSING], unmetered=True, **wanted)
            Deletion.objects.get_or_create(prefix=video.attempt_prefix)


def _send(videos: Sequence[Video]) -> tuple[list[Video], str]:
    """Those that the queue took, and why it takes no more. Runs in a thread of its own: it asks no database."""
    if not videos:
        return [], ""
    try:
        return queue.send_many(videos), ""
    except queue.QueueUnavailable as error:
        return [], str(error)
