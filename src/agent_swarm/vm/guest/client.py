"""The host's end of a channel to the agent in a guest.

A channel is a socket of QEMU that leads to one port of the guest, and serves one command at a time: whoever holds the
lock of the channel's file has it. When this process ends, however it ends, the agent notices and kills what it started.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

from agent_swarm.vm.errors import GuestRefused, GuestUnreachable
from agent_swarm.vm.guest.frames import (
    DATA_BYTES,
    NONCE_BYTES,
    SYNC_MAGIC,
    WINDOW_BYTES,
    BrokenStream,
    Command,
    Ending,
    Frame,
    FrameType,
    Identity,
    WindowSize,
    after_hello,
    decoded,
    encoded,
    ending_of,
)
from agent_swarm.vm.qemu.endpoints import Endpoint

Sink = Callable[[bytes], object]

_SAY_HELLO_AGAIN_SECONDS = 0.5
_CALLS = 2  # on one connection


@dataclass(frozen=True, slots=True)
class GuestExit:
    """How a command in the guest ended."""

    ending: Ending
    value: int  # the exit code, or the number of the signal

    @property
    def code(self) -> int:
        """As a shell would tell it: 128 and the number of a signal, 124 where time ran out."""
        return {Ending.EXITED: self.value, Ending.SIGNALLED: 128 + self.value, Ending.TIMED_OUT: 124}[self.ending]


class Channel:
    """A channel that the agent has greeted. Use it in `with`; one request at a time."""

    def __init__(self, connection: socket.socket, unread: bytes) -> None:
        self._connection = connection
        self._unread = unread
        self._may_send = threading.Lock()

    @classmethod
    def open(cls, endpoint: Endpoint, *, timeout: float) -> Self:
        """Greet the agent behind `endpoint`; raises GuestUnreachable where it does not answer within `timeout`."""
        give_up_at = time.monotonic() + timeout
        away_seconds = 0.0
        while True:
            connection = _connected(endpoint, timeout)
            try:
                if (unread := _greeted(connection, give_up_at)) is not None:
                    return cls(connection, unread)
            except BaseException:
                connection.close()
                raise
            connection.close()
            if time.monotonic() >= give_up_at:
                raise GuestUnreachable(f"the agent in the guest did not answer within {timeout:.0f} s", hint=_LOOK)
            # The guest may wait for the rest of what a command that died had begun to say. Only that nobody is there
            # any more tells it otherwise, and it has to be looking.
            away_seconds = min(1.0, 2 * away_seconds + 0.05)
            time.sleep(away_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the guest ends what it was doing for this channel."""
        self._connection.close()

    def bear_silence(self, seconds: float | None) -> None:
        """Take a guest that says nothing for so long as gone; None: never, as a command may think for hours."""
        self._connection.settimeout(seconds)

    def detach(self) -> tuple[socket.socket, bytes]:
        """The connection, greeted, and what came behind the greeting; this channel is of no use any more."""
        return self._connection, self._unread

    def run(self, command: Command, *, stdin: Iterable[bytes] = (), stdout: Sink, stderr: Sink) -> GuestExit:
        """Run a command in the guest, feed it `stdin`, and hand on what it says, until it has ended.

        Raises GuestRefused where it cannot be started, GuestUnreachable where the guest goes away.
        """
        self._send(FrameType.EXECUTE, command.to_bytes())
        return self._converse(stdin, stdout, stderr)

    def connect(self, port: int, *, stdin: Iterable[bytes], stdout: Sink) -> None:
        """Pass bytes to and from a port of the guest's loopback, until the guest closes it."""
        self._send(FrameType.CONNECT, b"p" + (4).to_bytes(4, "little") + port.to_bytes(4, "little") + b"\0")
        self._converse(stdin, stdout, stdout)

    def personalise(self, identity: Identity) -> None:
        """Give the guest its own randomness, name, machine id and time; raises GuestRefused."""
        self._ask(FrameType.PERSONALISE, identity.to_bytes())

    def freeze(self) -> None:
        """Have the guest write everything to its disk and leave it alone, until `thaw` or the end of this channel."""
        self._ask(FrameType.FREEZE)

    def thaw(self) -> None:
        """Let the guest use its disk again."""
        self._ask(FrameType.THAW)

    def power_off(self) -> None:
        """Have the guest shut down in good order; it has only begun when this returns."""
        self._ask(FrameType.POWER_OFF)

    def signal(self, number: int) -> None:
        """Send a signal to the command that runs, and to what it started; from another thread than `run`."""
        self._send(FrameType.SIGNAL, bytes([number]))

    def resize(self, size: WindowSize) -> None:
        """Tell the command that runs that its terminal has another size; from another thread than `run`."""
        self._send(FrameType.RESIZE, size.to_bytes())

    def _ask(self, kind: FrameType, payload: bytes = b"") -> None:
        self._send(kind, payload)
        frame = self._receive()
        if frame.type is not FrameType.DONE:
            raise _refusal(frame)

    def _converse(self, stdin: Iterable[bytes], stdout: Sink, stderr: Sink) -> GuestExit:
        feeder = _Feeder(self, stdin)
        feeder.start()
        sinks = {FrameType.OUTPUT: stdout, FrameType.ERRORS: stderr}
        try:
            while True:
                frame = self._receive()
                if sink := sinks.get(frame.type):
                    sink(frame.payload)
                elif frame.type is FrameType.WINDOW:
                    feeder.used(int.from_bytes(frame.payload, "little"))
                elif frame.type is FrameType.ENDED:
                    return _exit(frame)
                else:
                    raise _refusal(frame)
        finally:
            feeder.stop()

    def _send(self, kind: FrameType, payload: bytes = b"") -> None:
        try:
            with self._may_send:
                self._connection.sendall(encoded(kind, payload))
        except OSError as exc:
            raise GuestUnreachable(f"the VM went away: {exc}", hint=_LOOK) from exc

    def _receive(self) -> Frame:
        try:
            while True:
                frame, self._unread = decoded(self._unread)
                if frame is not None and frame.type is not FrameType.HELLO:  # the answer to a repeated call
                    return frame
                if frame is not None:
                    continue
                chunk = self._connection.recv(DATA_BYTES)
                if not chunk:
                    raise GuestUnreachable("the VM went away in the middle of a command", hint=_LOOK)
                self._unread += chunk
        except (OSError, BrokenStream) as exc:
            raise GuestUnreachable(f"the agent in the guest cannot be understood: {exc}", hint=_LOOK) from exc


_LOOK = "see what it printed last: agent-swarm logs"


def _exit(frame: Frame) -> GuestExit:
    try:
        return GuestExit(*ending_of(frame))
    except BrokenStream as exc:
        raise GuestUnreachable(f"the agent in the guest cannot be understood: {exc}", hint=_LOOK) from exc


class _Feeder(threading.Thread):
    """Sends a command its input, never more than the agent has room for.

    A daemon: what it reads from may be a terminal at which nobody ever types another line.
    """

    def __init__(self, channel: Channel, stdin: Iterable[bytes]) -> None:
        super().__init__(name="guest-input", daemon=True)
        self._channel = channel
        self._stdin = stdin
        self._room = WINDOW_BYTES
        self._changed = threading.Condition()
        self._has_ended = False

    def used(self, count: int) -> None:
        """The guest has made use of that many bytes."""
        with self._changed:
            self._room += count
            self._changed.notify_all()

    def stop(self) -> None:
        """Send nothing more."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def run(self) -> None:
        with suppress(GuestUnreachable):  # whoever reads the answers hears of it, too
            for chunk in self._stdin:
                for start in range(0, len(chunk), DATA_BYTES):
                    piece = chunk[start : start + DATA_BYTES]
                    if not self._has_room(len(piece)):
                        return
                    self._channel._send(FrameType.INPUT, piece)
            if not self._has_ended:
                self._channel._send(FrameType.INPUT_END)

    def _has_room(self, count: int) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or self._room >= count)
            self._room -= count
            return not self._has_ended


def _connected(endpoint: Endpoint, timeout: float) -> socket.socket:
    try:
        return endpoint.connect(timeout)
    except OSError as exc:
        raise GuestUnreachable(f"no VM listens at {endpoint.to_text()}: {exc}") from exc


def _greeted(connection: socket.socket, give_up_at: float) -> bytes | None:
    """What follows the agent's hello; None where it says none for a while. It is called again and again: a guest that
    still boots loses what came before."""
    nonce = os.urandom(NONCE_BYTES)
    heard = b""
    connection.settimeout(_SAY_HELLO_AGAIN_SECONDS)
    for _ in range(_CALLS):
        if time.monotonic() >= give_up_at:
            break
        with suppress(TimeoutError):
            heard = (heard + _called(connection, nonce))[-2 * DATA_BYTES :]
        if (left := after_hello(heard, nonce)) is not None:
            connection.settimeout(None)
            return left
    return None


def _called(connection: socket.socket, nonce: bytes) -> bytes:
    """Call the agent; what came then. TimeoutError where nothing does."""
    try:
        connection.sendall(SYNC_MAGIC + nonce)
        chunk = connection.recv(DATA_BYTES)
    except TimeoutError:
        raise
    except OSError as exc:
        raise GuestUnreachable(f"the VM went away: {exc.strerror}", hint=_LOOK) from exc
    if not chunk:
        raise GuestUnreachable("the VM closed the channel", hint=_LOOK)
    return chunk


def _refusal(frame: Frame) -> GuestRefused:
    if frame.type is FrameType.FAILED:
        return GuestRefused(frame.payload.decode("utf-8", "replace"))
    return GuestRefused(f"the agent in the guest answered {frame.type.name}", hint="its version may not fit this one")


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    """What can be read from an open file, as it comes."""
    descriptor = stream.fileno()
    while chunk := os.read(descriptor, DATA_BYTES):
        yield chunk
