"""The inner half of a run's way out: sockets that listen in its network namespace, handed to the worker outside.

A socket belongs to the namespace it was made in, whoever holds it. So the supervisor makes the listeners, sends them
out over a socket pair before the command starts, and keeps none: nothing of ours carries bytes inside.
Imported by the supervisor, and only where a run has a list of allowed hosts.
"""

import socket

_BACKLOG = 128


def hand_out(way: int, addresses: list[tuple[str, int]]) -> None:
    """Listen at `addresses` and send the listeners through `way`, in order. OSError where one cannot be had."""
    with socket.socket(fileno=way) as out:
        listeners = []
        try:
            for host, port in addresses:
                listeners.append(_listener(host, port))
            socket.send_fds(out, [b"+"], [listener.fileno() for listener in listeners])
        finally:
            for listener in listeners:
                listener.close()


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
