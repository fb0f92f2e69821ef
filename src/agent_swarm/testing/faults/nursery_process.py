"""The process that others are forked from: everything is imported, no thread runs, there is no event loop.

It reads one order per line on standard input and says on standard output which process it made and how each ended. When
its input ends it kills what is left. A server is up 30 ms after it was ordered; from nothing it takes half a second.
"""

import ctypes
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(lease_seconds: float, key: str) -> None:
    """Serve orders."""
    from agent_swarm.testing.faults.pace import hurry

    hurry(lease_seconds)
    from agent_swarm.testing.faults import roles

    roles.warm_up(key)
    children: set[int] = set()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        _say({"ready": os.getpid()})
        rest = b""
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, 4096)
                _reap(children)
            if 0 not in ready:
                continue
            received = os.read(0, 65536)
            if not received:
                break
            *orders, rest = (rest + received).split(b"\n")
            for order in orders:
                pid = _fork(json.loads(order), keep_closed=(wake, woken))
                children.add(pid)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _reap(children: set[int]) -> None:
    for pid in tuple(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            children.discard(pid)
            _say({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _fork(order: Mapping[str, Any], *, keep_closed: tuple[int, ...]) -> int:
    """Start what the order says, and tell its number."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        _say({"order": order["order"], "pid": pid})
        return pid
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in keep_closed:
            os.close(descriptor)
        _die_with(parent)
        _open_log(order["log"])
        os.environ.clear()
        os.environ.update(order["environment"])
        code = _be(order)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _be(order: Mapping[str, Any]) -> int:
    from agent_swarm.testing.faults import roles
    from agent_swarm.testing.faults.crash import Crash

    if order["crash"] is not None:
        Crash.from_json(order["crash"]).arm()
    return roles.play(order["role"], order["arguments"])


def _die_with(parent: int) -> None:
    """Whatever ends the nursery ends its children; a test that was killed leaves nothing behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(71)


def _open_log(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    os.close(log)


def _say(word: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(word).encode() + b"\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
