"""A way to PostgreSQL that breaks when told to: between a server and its database, on a unix socket of its own.

It knows so much of the protocol as to see a COMMIT go by: what is lost then is what a server must not guess about.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

SOCKET_NAME = ".s.PGSQL.5432"
_CHUNK = 65_536


class Fault(StrEnum):
    """What happens to the next COMMIT."""

    BEFORE = "before"  # the connection breaks before the database has it
    ANSWER = "answer"  # the database carries it out, and the answer is lost
    STUCK = "stuck"  # the database has the transaction, and neither the COMMIT nor the end of the connection


class PostgresProxy:
    """Listens in `folder` and leads to the database server whose socket is in `target`."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._target = target / SOCKET_NAME
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET_NAME))
        self._listener.listen(64)
        self._open: list[socket.socket] = []
        self._fault: Fault | None = None
        self.is_away = False  # connections are refused, and those that exist are broken
        self.met = threading.Event()  # the fault has happened
        threading.Thread(target=self._accept, daemon=True).start()

    def break_next_commit(self, fault: Fault) -> None:
        """Have the next COMMIT of whatever connection meet `fault`."""
        self.met.clear()
        self._fault = fault

    def go_away(self) -> None:
        """Break every connection and take no new one."""
        self.is_away = True
        self.cut()

    def come_back(self) -> None:
        """Take connections again."""
        self.is_away = False

    def cut(self) -> None:
        """Break every connection."""
        for end in self._open:
            _end(end)
        self._open.clear()

    def close(self) -> None:
        """No way any more."""
        _end(self._listener)
        self.go_away()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_away:
                    _end(client)
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._target))
                self._open += [client, server]
                threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
                threading.Thread(target=_back, args=(server, client), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := client.recv(_CHUNK):
                if self._fault is not None and b"COMMIT\x00" in chunk:  # small, so never in two pieces on a unix socket
                    fault, self._fault = self._fault, None
                    self._meet(fault, chunk, client, server)
                    return
                server.sendall(chunk)
        _end(server)

    def _meet(self, fault: Fault, chunk: bytes, client: socket.socket, server: socket.socket) -> None:
        _end(client)  # from here on nothing gets back
        match fault:
            case Fault.BEFORE:
                _end(server)
            case Fault.ANSWER:
                server.sendall(chunk)
            case Fault.STUCK:
                pass  # the database goes on waiting, with its locks
        self.met.set()


def _back(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := server.recv(_CHUNK):
            with contextlib.suppress(OSError):
                client.sendall(chunk)
    _end(client)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(url: str, folder: Path) -> Iterator[tuple[str, PostgresProxy]]:
    """The URL of the database at `url` by way of a proxy in `folder`, and the proxy."""
    address = sa.make_url(url)
    proxy = PostgresProxy(folder, Path(str(address.query["host"])))
    try:
        way = address.update_query_dict({"host": str(folder)})
        yield way.render_as_string(hide_password=False), proxy
    finally:
        proxy.close()
