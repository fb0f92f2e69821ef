"""Processor time of the command line (user and system of the child), against an interpreter that does nothing."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from benchmarks import processes, workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import agent_swarm

COMMAND = str(processes.COMMAND)


def measure(scale: Scale) -> list[Row]:
    """Medians of nine, in turn; the ratio is to `python -c pass`."""
    with workplace.folder() as folder, agent_swarm(folder / "server") as server:
        env = {"AGENT_SWARM_URL": f"http://127.0.0.1:{server.port}", "API_KEY": server.key, "HOME": str(folder)}
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "--help": [COMMAND, "--help"],
            "task add": [COMMAND, "task", "add", "Fix the flaky login test"],
            "task list": [COMMAND, "task", "ls"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(scale.of(9, 3)):
            for name, argv in commands.items():
                times[name].append(_cpu_ms(argv, env))
    cpu = {name: median(found) for name, found in times.items()}
    bare = cpu["python -c pass"]
    return [
        row("agent-swarm --help: CPU", cpu["--help"], "ms", at_most(120), ratio=cpu["--help"] / bare),
        row("agent-swarm task add: CPU", cpu["task add"], "ms", at_most(200), ratio=cpu["task add"] / bare),
        row("agent-swarm task ls: CPU", cpu["task list"], "ms", ratio=cpu["task list"] / bare),
        row("python -c pass: CPU", bare, "ms"),
    ]


def _cpu_ms(argv: Sequence[str], env: Mapping[str, str]) -> float:
    """What the process used up."""
    process = processes.start(argv, env=env, output=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {process.returncode}")
    return 1000 * (used.ru_utime + used.ru_stime)
