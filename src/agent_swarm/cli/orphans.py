"""Descendants that a dead child left behind.

They become this process's own children, so it has to bury them, and to kill them at the end.
"""

import contextlib
import os
import time

from agent_swarm.sandbox import processtree
from agent_swarm.sandbox.supervise import become_subreaper

PATIENCE_SECONDS = 5.0  # how long a process may take to die of SIGKILL
RECHECK_SECONDS = 0.01


def adopt() -> None:
    """Become the parent of descendants that lose theirs; nothing happens off Linux."""
    if processtree.IS_LINUX:
        become_subreaper()


def bury(known: set[int]) -> None:
    """Reap dead adopted children. `known` are children that somebody else waits for."""
    for pid in processtree.descendants(os.getpid()) - known:
        if not processtree.is_running(pid):
            with contextlib.suppress(ChildProcessError):  # another's child, whose parent has yet to reap it
                os.waitpid(pid, os.WNOHANG)


def kill_all() -> set[int]:
    """SIGKILL to every descendant, until none is left; which they were.

    Call it when nobody waits for a child any more.
    """
    killed: set[int] = set()
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        bury(set())
        running = {pid for pid in processtree.descendants(os.getpid()) if processtree.is_running(pid)}
        if not running:
            break
        killed |= running
        processtree.kill_tree(os.getpid())
        time.sleep(RECHECK_SECONDS)
    return killed
