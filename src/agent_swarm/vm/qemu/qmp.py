"""A client of QEMU's machine protocol: one JSON object per line, over a socket. Small, synchronous, our own.

One client at a time can be connected; a second one waits in QEMU's queue, and gives up when its time is over.
"""

import json
import socket
import time
from types import TracebackType
from typing import Any, Self

from agent_swarm.vm.errors import EngineFailed
from agent_swarm.vm.qemu.endpoints import Endpoint

_LONGEST_LINE = 16 * 2**20


class QmpError(EngineFailed):
    """QEMU refused a command, or the connection to it broke."""

    code = "qmpRefused"


class Qmp:
    """A connection that has been greeted and may give commands. Use it in `with`."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._unread = b""

    @classmethod
    def connect(cls, endpoint: Endpoint, *, timeout: float = 10.0) -> Self:
        """Say hello to a QEMU; raises QmpError where none answers within `timeout` seconds."""
        try:
            connection = endpoint.connect(timeout)
        except OSError as exc:
            raise QmpError(f"no QEMU answers at {endpoint.to_text()}: {exc}") from exc
        qmp = cls(connection, timeout)
        try:
            qmp._receive(time.monotonic() + timeout)  # the greeting
            qmp.execute("qmp_capabilities")
        except BaseException:
            connection.close()
            raise
        return qmp

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def execute(self, command: str, /, **arguments: Any) -> Any:
        """What the command returns; raises QmpError where QEMU refuses. Underscores in names stand for hyphens."""
        body: dict[str, Any] = {"execute": command}
        if arguments:
            body["arguments"] = {name.replace("_", "-"): value for name, value in arguments.items()}
        give_up_at = time.monotonic() + self._timeout
        try:
            self._connection.sendall(json.dumps(body).encode() + b"\n")
        except OSError as exc:
            raise QmpError(f"QEMU does not take {command}: {exc}") from exc
        while True:
            answer = self._receive(give_up_at)
            if "error" in answer:
                raise QmpError(f"QEMU refused {command}: {answer['error'].get('desc', 'no reason given')}")
            if "return" in answer:
                return answer["return"]

    def _receive(self, give_up_at: float) -> dict[str, Any]:
        while b"\n" not in self._unread:
            if len(self._unread) > _LONGEST_LINE:
                raise QmpError(f"QEMU sent a line of more than {_LONGEST_LINE} bytes")
            self._unread += self._read(give_up_at)
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError as exc:
            raise QmpError("what answers is no QEMU: it sent a line that is not JSON") from exc
        if not isinstance(answer, dict):
            raise QmpError("what answers is no QEMU: it sent no JSON object")
        return answer

    def _read(self, give_up_at: float) -> bytes:
        try:
            self._connection.settimeout(max(0.001, give_up_at - time.monotonic()))
            chunk = self._connection.recv(65536)
        except OSError as exc:
            raise QmpError(f"QEMU does not answer: {exc or 'no time left'}") from exc
        if not chunk:
            raise QmpError("QEMU closed the connection")
        return chunk
