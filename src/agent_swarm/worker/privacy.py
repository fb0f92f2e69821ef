"""Keeps other processes of the same user out of this one: agents run as the worker's user, and the server's key is in its memory."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def hide_process() -> bool:
    """Have the kernel refuse to show this process's environment and memory to its user's other processes; whether it does.

    Root sees them all the same: give a worker that runs as root a sandbox that does not.
    """
    if not sys.platform.startswith("linux"):
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0
