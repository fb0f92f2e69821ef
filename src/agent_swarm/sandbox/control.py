"""What a worker and a supervisor say to each other over their socket pair.

First one launch order, framed by its length. After that lines of text, from the worker

    interrupt            SIGINT to the command
    stop <seconds>       SIGTERM to all, SIGKILL to what is left after that time
    kill                 SIGKILL to all, now

and from the supervisor

    started <pid>        the command runs under this pid
    failed <step> <errno>  it could not be started
    exited <code>        it ended by itself
    signalled <number>   a signal ended it
    alone                no descendant is left; the last word

The end of the stream means, to a supervisor, that its worker is dead; to a worker, that its supervisor is gone.
Imported by the supervisor: as light as `processtree`.
"""

import marshal
import os

_LENGTH_BYTES = 4


class LaunchOrder:
    """The command a supervisor has to start; its environment never shows on a command line or in a file."""

    def __init__(
        self,
        *,
        argv: list[bytes],
        cwd: bytes,
        env: dict[bytes, bytes],
        cgroup: str | None,
        grace: float,
        way: int = -1,
        listen: list[tuple[str, int]] | None = None,
    ) -> None:
        self.argv = argv
        self.cwd = cwd
        self.env = env
        self.cgroup = cgroup  # the directory of a cgroup v2 leaf to run in
        self.grace = grace  # seconds between SIGTERM and SIGKILL when somebody else sends the supervisor a SIGTERM
        self.way = way  # the descriptor through which listeners are handed out: see `doorway`
        self.listen = listen or []  # where they listen

    def to_frame(self) -> bytes:
        """As sent. Both ends are the same interpreter, which is what `marshal` asks for, and it imports nothing."""
        body = marshal.dumps((self.argv, self.cwd, self.env, self.cgroup, self.grace, self.way, self.listen))
        return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def read_order(fd: int) -> LaunchOrder | None:
    """Wait for the launch order; None when the worker is gone before it is complete."""
    head = _read_exactly(fd, _LENGTH_BYTES)
    body = _read_exactly(fd, int.from_bytes(head, "big")) if head else b""
    if not body:
        return None
    order = marshal.loads(body)  # noqa: S302 - from our own worker, over a socket nobody else has
    argv, cwd, env, cgroup, grace, way, listen = order
    return LaunchOrder(argv=argv, cwd=cwd, env=env, cgroup=cgroup, grace=grace, way=way, listen=listen)


def _read_exactly(fd: int, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        chunk = os.read(fd, size - len(received))
        if not chunk:
            return b""
        received += chunk
    return bytes(received)
