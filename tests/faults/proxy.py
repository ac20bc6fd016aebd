"""A TCP proxy that does to connections what networks do to them.

By default everything passes. ``refuse``, ``black_hole``, ``delay`` … change the weather for all connections until
``heal``; each can be used as a context manager, which heals at its end. A rule of one's own looks at every
chunk of bytes and says what becomes of it: :class:`Loss` is one that loses exactly one request, or the
answer to it.
"""

import asyncio
import contextlib
import enum
import itertools
import socket
import struct
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self

CHUNK_BYTES = 65_536


class Direction(enum.Enum):
    """Which way a chunk goes."""

    REQUEST = "request"
    REPLY = "reply"


class Chunk(NamedTuple):
    """Bytes on their way, as they came; ``connection`` is a number that no other connection has."""

    connection: int
    direction: Direction
    data: bytes


# --- What may become of a chunk


class Pass(NamedTuple):
    """It arrives, maybe later."""

    seconds: float = 0


class Vanish(NamedTuple):
    """It is lost, and nobody hears about it; when the weather is fine again, the connection is reset."""


class Reset(NamedTuple):
    """The first bytes arrive; then both sides are told that the connection is broken."""

    passing: int = 0


class Answer(NamedTuple):
    """It does not arrive; whoever sent it gets this in reply, and no more."""

    data: bytes


Fate = Pass | Vanish | Reset | Answer
Rule = Callable[[Chunk], Fate]
Weather = contextlib.AbstractContextManager[None]  # heals at its end


def fine_weather(chunk: Chunk) -> Fate:
    return Pass()


# --- Rules that know a protocol


class Loss:
    """Loses the first requests that match, or (``reply``) lets them pass and loses the answer. The connection is reset.

    ``count`` says how many were lost.
    """

    def __init__(self, matches: Callable[[Chunk], bool], *, reply: bool = False, times: int = 1) -> None:
        self._matches = matches
        self._reply = reply
        self._times = times
        self._awaited: set[int] = set()  # connections whose next answer is to be lost
        self.count = 0

    def __call__(self, chunk: Chunk) -> Fate:
        if chunk.direction is Direction.REPLY:
            if chunk.connection not in self._awaited or chunk.data.startswith(b"HTTP/1.1 100"):
                return Pass()
            self._awaited.discard(chunk.connection)
            self.count += 1
            return Reset()
        if self.count + len(self._awaited) >= self._times or not self._matches(chunk):
            return Pass()
        if self._reply:
            self._awaited.add(chunk.connection)
            return Pass()
        self.count += 1
        return Reset()


def sqs(action: str) -> Callable[[Chunk], bool]:
    """Matches a request for this action of SQS."""
    return lambda chunk: b"AmazonSQS.%b\r\n" % action.encode() in chunk.data


def s3(method: str, ending: str = "") -> Callable[[Chunk], bool]:
    """Matches a request to S3 by its method and the end of its path."""

    def matches(chunk: Chunk) -> bool:
        line = chunk.data.partition(b"\r\n")[0].split()
        return len(line) == 3 and line[0] == method.encode() and line[1].partition(b"?")[0].endswith(ending.encode())

    return matches


class Commit:
    """Matches the COMMIT of a transaction in which a statement with these bytes was sent.

    A COMMIT is a packet of its own, with its length in front: ``SET … READ COMMITTED`` is none.
    """

    PACKET = b"\x07\x00\x00\x00\x03COMMIT"

    def __init__(self, *, after: bytes) -> None:
        self._after = after
        self._seen: set[int] = set()

    def __call__(self, chunk: Chunk) -> bool:
        if chunk.data.startswith(self.PACKET):
            matches = chunk.connection in self._seen
            self._seen.discard(chunk.connection)
            return matches
        if self._after in chunk.data:
            self._seen.add(chunk.connection)
        return False


class Statement:
    """Matches a statement with all these bytes in it."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __call__(self, chunk: Chunk) -> bool:
        return all(part in chunk.data for part in self._parts)


# --- The proxy


@dataclass(eq=False)
class _Connection:
    number: int
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    passed: Counter[Direction] = field(default_factory=Counter)
    gaps: bool = False

    def reset(self) -> None:
        for side in (self.client, self.server):
            end = side.get_extra_info("socket")
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST instead of FIN
            side.transport.abort()


class Proxy:
    """Stands before ``target`` (host, port) on a port of its own, between ``with`` and its end."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._numbers = itertools.count(1)
        self._connections: set[_Connection] = set()
        self._rule: Rule = fine_weather
        self._resets_newcomers = False
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # Bound but not listening: keeps the port ours while nobody listens on it.
        self._place = self._bound(0)
        self.port: int = self._place.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy of {target}")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._shut())
        self._run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._place.close()

    # --- The weather

    def heal(self) -> None:
        """Everything passes again. What had lost bytes on the way is reset."""
        self._rule, self._resets_newcomers = fine_weather, False
        self._run(self._hang_up(only_gaps=True))
        self._run(self._listen())

    def hang_up(self) -> None:
        """Resets every connection, once."""
        self._run(self._hang_up())

    def follow(self, rule: Rule) -> Weather:
        """Asks ``rule`` about each chunk from now on."""
        self._rule = rule
        return self._healing()

    def refuse(self) -> Weather:
        """Nobody listens any more, and what was connected is reset."""
        self._run(self._shut())
        self._run(self._hang_up())
        return self._healing()

    def reset(self) -> Weather:
        """Connections come about and are broken at once."""
        self._resets_newcomers = True
        self._run(self._hang_up())
        return self._healing()

    def black_hole(self) -> Weather:
        """Connections come about and stay, and nothing gets through."""
        return self.follow(lambda chunk: Vanish())

    def delay(self, seconds: float) -> Weather:
        """Every chunk takes so much longer."""
        return self.follow(lambda chunk: Pass(seconds))

    def cut(self, *, after: int, direction: Direction) -> Weather:
        """Each connection breaks after so many bytes in that direction."""
        passed: dict[int, int] = defaultdict(int)

        def rule(chunk: Chunk) -> Fate:
            if chunk.direction is not direction:
                return Pass()
            left = after - passed[chunk.connection]
            passed[chunk.connection] += len(chunk.data)
            return Pass() if len(chunk.data) <= left else Reset(left)

        return self.follow(rule)

    def drop_replies(self) -> Weather:
        """Requests arrive; at the answer the connection breaks."""
        return self.follow(lambda chunk: Reset() if chunk.direction is Direction.REPLY else Pass())

    def talk_nonsense(self, data: bytes = b"\x00 this is no protocol \xff\r\n\r\n") -> Weather:
        """Somebody else answers, in no language that is known here."""
        return self.follow(lambda chunk: Answer(data) if chunk.direction is Direction.REQUEST else Vanish())

    @contextlib.contextmanager
    def _healing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.heal()

    # --- In the thread of the loop

    def _run(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    @staticmethod
    def _bound(port: int) -> socket.socket:
        place = socket.socket()
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place.bind(("127.0.0.1", port))
        return place

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = self._bound(self.port)
            self._listener.setblocking(False)
            self._listener.listen(256)
            self._loop.add_reader(self._listener, self._accept, self._listener)

    async def _shut(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            client, _ = listener.accept()
            task = self._loop.create_task(self._serve(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hang_up(self, *, only_gaps: bool = False) -> None:
        for connection in [c for c in self._connections if c.gaps or not only_gaps]:
            connection.reset()

    async def _finish(self) -> None:
        await self._hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn

    async def _serve(self, accepted: socket.socket) -> None:
        from_client, client = await asyncio.open_connection(sock=accepted)
        try:
            from_server, server = await asyncio.open_connection(*self.target)
        except OSError:
            client.transport.abort()
            return
        connection = _Connection(next(self._numbers), client, server)
        if self._resets_newcomers or self._listener is None:
            connection.reset()
            return
        self._connections.add(connection)
        ways = (
            self._carry(connection, Direction.REQUEST, from_client, client, server),
            self._carry(connection, Direction.REPLY, from_server, server, client),
        )
        try:
            await asyncio.gather(*ways)
        finally:
            self._connections.discard(connection)
            for side in (client, server):
                side.transport.abort()

    async def _carry(
        self,
        connection: _Connection,
        direction: Direction,
        reader: asyncio.StreamReader,
        sender: asyncio.StreamWriter,
        receiver: asyncio.StreamWriter,
    ) -> None:
        """Takes bytes from one side to the other, until one has no more to say."""
        try:
            while data := await reader.read(CHUNK_BYTES):
                match self._rule(Chunk(connection.number, direction, data)):
                    case Pass(seconds):
                        await asyncio.sleep(seconds)
                        receiver.write(data)
                    case Vanish():
                        connection.gaps = True
                    case Reset(passing):
                        receiver.write(data[:passing])
                        await receiver.drain()
                        connection.reset()
                        return
                    case Answer(answer):
                        connection.gaps = True
                        sender.write(answer)
                        await sender.drain()
                        sender.close()
                        return
                await receiver.drain()
            receiver.write_eof()
        except OSError:  # one side has broken the connection: so it is for the other
            connection.reset()
