"""Where QEMU listens for us: a socket in a folder of the user's, or a port of the loopback where there are none."""

import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of QEMU's ends: a path, or a port on 127.0.0.1."""

    path: Path | None = None
    port: int = 0

    @property
    def option(self) -> str:
        """The address as options of a chardev, with commas doubled as QEMU wants them."""
        if self.path is not None:
            return f"path={escaped(self.path)}"
        return f"host=127.0.0.1,port={self.port}"

    def connect(self, timeout: float) -> socket.socket:
        """A connection; OSError where nobody listens."""
        if self.path is None:
            return socket.create_connection(("127.0.0.1", self.port), timeout)
        family = getattr(socket, "AF_UNIX", None)
        assert family is not None, "a path needs a system with UNIX sockets"
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(str(self.path))
        except BaseException:
            connection.close()
            raise
        return connection

    def to_text(self) -> str:
        """For a file: the path, or the port with a colon before it."""
        return str(self.path) if self.path is not None else f":{self.port}"

    @classmethod
    def from_text(cls, text: str) -> "Endpoint":
        """What `to_text` wrote."""
        return cls(port=int(text[1:])) if text.startswith(":") else cls(Path(text))


def escaped(value: object) -> str:
    """A value inside one of QEMU's comma-separated options."""
    return str(value).replace(",", ",,")


def free_port() -> int:
    """A port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
