"""Runs a command that gets SIGTERM when the process that started it dies, even by SIGKILL; off Linux it only runs it.

Between fork and exec only another program can say so safely: `preexec_fn` may deadlock where the parent has threads.
"""

import os
import signal
import sys
from collections.abc import Sequence

from agent_swarm.sandbox.supervise import die_with_parent

MODULE = "agent_swarm.cli.leash"


def leashed(argv: Sequence[str]) -> list[str]:
    """`argv` as a child of this process that does not outlive it by more than its own orderly end."""
    return [sys.executable, "-m", MODULE, str(os.getpid()), *argv]


def main() -> None:
    """Entry: the parent's pid, then the command."""
    parent, *argv = sys.argv[1:]
    die_with_parent(signal.SIGTERM, parent=int(parent))
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
