"""One command at a time per VM, and processes that are not mistaken for others."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent_swarm.vm.errors import VmBusy
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.locks import locked, locked_if_free
from agent_swarm.vm.names import task_ref
from agent_swarm.vm.processes import ProcessIdentity, started_with

HOLD = """
import sys, pathlib
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.locks import locked
from agent_swarm.vm.names import task_ref
with locked(Layout(pathlib.Path(sys.argv[1])), task_ref("fix")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_given_a_command_on_a_vm_when_another_one_comes_then_it_is_told_whose_and_a_kill_frees_it(
    tmp_path: Path,
) -> None:
    layout = Layout(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(VmBusy, match=rf"\(pid {holder.pid}\) works on task 'Fix'"), locked(layout, task_ref("Fix")):
            pass
        with locked_if_free(layout, task_ref("fix")) as is_ours:
            assert not is_ours
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locked(layout, task_ref("fix")):
            pass


def test_given_this_process_then_it_runs_and_one_of_another_time_does_not(tmp_path: Path) -> None:
    me = ProcessIdentity.of(os.getpid())
    assert me.is_running()
    assert not ProcessIdentity(os.getpid(), "another boot/1").is_running()
    assert not ProcessIdentity(os.getpid(), "").is_running()
    me.write(tmp_path / "process.json")
    assert ProcessIdentity.read(tmp_path / "process.json") == me


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x", "started": "y"}', "\xff"])
def test_given_a_torn_record_of_a_process_then_there_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "process.json").write_text(text, encoding="latin-1")
    assert ProcessIdentity.read(tmp_path / "process.json") is None


@pytest.mark.skipif(sys.platform != "linux", reason="arguments are read from /proc")
def test_given_an_argument_that_only_one_process_has_then_that_one_is_found() -> None:
    marker = os.urandom(8).hex()
    waiting = ["sh", "-c", "echo up; read line; exit 3", marker]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"  # it has its arguments from here on
        (found,) = started_with(marker)
        assert found.pid == process.pid
        found.kill()
        assert process.wait(10) == -9
