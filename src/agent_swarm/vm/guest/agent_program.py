"""The agent as a program: where its sources are, and how they become one."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).with_name("agent")
GUEST_PATH: Final = "/usr/local/sbin/agent-swarm-guest"

_OPTIONS: Final = ("-std=gnu11", "-Os", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-s")


def compile_static(target: Path, *, compiler: str = "cc") -> None:
    """Make one program without libraries, for guests of this machine's kind; OSError where that cannot be done."""
    program = shutil.which(compiler)
    if program is None:
        raise FileNotFoundError(f"there is no C compiler {compiler!r}")
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    done = subprocess.run(
        [program, *_OPTIONS, "-static", "-o", str(target), *sources], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OSError(f"the guest agent does not compile: {done.stderr.strip()[-500:]}")
