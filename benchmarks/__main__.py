"""Runs the benchmarks that are named, or all; prints the table and writes results.json."""

import argparse
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

from benchmarks import machine, report
from benchmarks.report import Row
from benchmarks.scale import Scale

RESULTS = Path(__file__).parent / "results.json"
# Name on the command line, what it measures; each is a module with `measure(scale) -> list[Row]`.
BENCHMARKS = {
    "dispatch": "task created → a waiting worker has it",
    "cycles": "life cycles over the network, against the prototype",
    "store": "life cycles on the store alone, and by bare statements",
    "audit": "the chain of events and its checkpoints, and their check",
    "requests": "requests beside a bare echo",
    "mcp": "tools for agents: processor time of a call, size of the list",
    "claims": "a claim among a million tasks against one among a thousand",
    "pages": "list page and cancel with 100,000 tasks",
    "schedules": "ten thousand schedules that are due at one instant",
    "messages": "a message to a running, an idle and a busy agent; a page of a channel",
    "idle": "ten thousand connected workers",
    "stream": "events to a thousand SSE clients",
    "startup": "start of the server, memory at rest",
    "cli": "processor time of the command line",
    "sandbox": "start and end of processes",
    "killing": "the kill switch: every process of eleven agents dead",
    "radar": "running attempts merged pairwise in memory, and a look at one",
    "runs": "start and cancel of a real run",
    "vms": "a clone, its first command, and a command, beside bare qemu",
    "claude": "message to, interrupt and memory of an agent with Claude Code",
    "clis": "start, processor time and memory of each agent CLI",
}


def main() -> int:
    """The exit code: 0, or 1 where a benchmark could not measure."""
    asked = _arguments()
    load_before, started = os.getloadavg(), time.monotonic()
    rows: list[Row] = []
    crashed: list[str] = []
    for name in asked.names or BENCHMARKS:
        since = time.monotonic()
        print(f"{name}: {BENCHMARKS[name]} …", end=" ", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"benchmarks.{name}").measure(Scale(asked.quick))
            print(f"{time.monotonic() - since:.0f} s", file=sys.stderr)
        except Exception:  # the others are still worth measuring
            crashed.append(name)
            print("crashed", file=sys.stderr)
            traceback.print_exc()
    facts = machine.facts(load_before=load_before, seconds=time.monotonic() - started) | {"quick": asked.quick}
    report.write(RESULTS, rows, facts)
    print(report.table(rows))
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    return 1 if crashed else 0


def _arguments() -> argparse.Namespace:
    listing = "\n".join(f"  {name:10}{what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=listing, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; default: all")
    parser.add_argument("--quick", action="store_true", help="small numbers: whether they work, not how fast it is")
    asked = parser.parse_args()
    if unknown := set(asked.names) - BENCHMARKS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
