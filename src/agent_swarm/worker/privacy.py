"""Keeps the server's key, which is in the worker's memory, from agents, which run as the worker's user."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def hide_process() -> bool:
    """Have the kernel hide this process's environment and memory from its user's other processes; whether it does.

    Root sees them all the same: give a worker that runs as root a sandbox that does not.
    """
    if not sys.platform.startswith("linux"):
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0
