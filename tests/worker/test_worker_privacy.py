"""Agents run as the worker's user, and still must not read the key from its memory."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from agent_swarm.worker.privacy import hide_process
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    import ctypes; ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # changing the user has hidden it already
worker = os.getpid()
if sys.argv[1] == "hidden":
    assert hide_process()
child = os.fork()
if child == 0:
    import ctypes; ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    try:
        open(f"/proc/{worker}/environ").read()
    except PermissionError:
        os._exit(3)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no prctl")
@pytest.mark.parametrize(("what", "expected"), [("open", 0), ("hidden", 3)])
def test_given_a_process_of_the_same_user_when_it_looks_at_the_workers_environment_then_it_sees_nothing(
    what: str, expected: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, what], env={**os.environ, "API_KEY": "x"}, capture_output=True, check=False
    )
    assert ended.returncode == expected, ended.stderr.decode()
