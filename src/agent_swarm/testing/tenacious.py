"""A run that is hard to end: sessions of their own, daemons that forked twice, their children, all deaf to signals.

Each process of it carries a mark in its environment, by which a test, or a measurement, counts what is left. As a task
it is a command for the `shell` harness.
"""

import sys
from pathlib import Path

from agent_swarm.sandbox import processtree

MARK = "TENACIOUS_RUN"
SOURCE = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)

def live():
    while True:
        time.sleep(60)

def session():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            live()
        live()

def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 3)
            if os.fork() == 0:
                live()
            live()
        os._exit(0)
    os.wait()

session()
daemon()
print("all here", flush=True)
live()
"""
PROCESSES = 5  # of python, the command's shell aside: itself, two in a session, two daemons


def command(mark: str) -> str:
    """The prompt of a task for the `shell` harness; `mark` names the run."""
    return f"export {MARK}={mark}; {sys.executable} -c '{SOURCE}'"


def alive(mark: str) -> set[int]:
    """The processes of the run that are more than zombies, wherever they are."""
    return {pid for pid in processtree.carriers(f"{MARK}={mark}") if processtree.is_running(pid)}


def interpreter() -> Path:
    """What has to be visible in a sandbox for it."""
    return Path(sys.executable)
