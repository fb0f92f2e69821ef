"""Reading the process tree."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from agent_swarm.sandbox import processtree
from agent_swarm.testing.waiting import until

pytestmark = pytest.mark.skipif(not processtree.IS_LINUX, reason="reads /proc")


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A shell with a child and a grandchild, whose pids it has told."""
    script = "sh -c 'sleep 1000 & echo $!; wait' & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        yield process
        processtree.kill_tree(process.pid)
        process.kill()


def told_by(family: "subprocess.Popen[str]") -> set[int]:
    assert family.stdout is not None
    return {int(family.stdout.readline()), int(family.stdout.readline())}


def test_given_a_family_when_its_descendants_are_listed_then_they_are_those_and_the_root_is_not_among_them(
    family: "subprocess.Popen[str]",
) -> None:
    told = told_by(family)
    assert processtree.descendants(family.pid) == told


def test_given_a_kernel_without_lists_of_children_when_descendants_are_listed_then_they_are_the_same(
    family: "subprocess.Popen[str]",
) -> None:
    told = told_by(family)
    assert processtree.descendants(family.pid, by_parents=True) == told


def test_given_a_family_when_the_tree_below_its_root_is_killed_then_the_root_lives_to_see_it(
    family: "subprocess.Popen[str]",
) -> None:
    killed = told_by(family)
    assert processtree.kill_tree(family.pid) == killed
    assert family.wait(10) >= 0


def test_given_a_process_when_its_start_is_asked_for_then_it_stays_the_same_and_is_unknown_once_it_is_gone() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        started = processtree.start_ticks(process.pid)
        assert started is not None
        assert processtree.start_ticks(process.pid) == started
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not processtree.is_running(process.pid)  # a zombie has a pid and a start, and does not run
    assert processtree.start_ticks(process.pid) is None


def test_given_a_command_name_with_brackets_and_blanks_when_its_stat_is_read_then_the_fields_are_the_right_ones(
    tmp_path: "os.PathLike[str]",
) -> None:
    odd = os.path.join(tmp_path, ") S 1 (x")
    os.symlink("/bin/sleep", odd)
    with subprocess.Popen([odd, "1000"]) as process:
        assert process.pid in processtree.descendants(os.getpid())
        process.kill()


@pytest.fixture
def marked() -> Iterator[list[int]]:
    """Processes whose environment has one entry each; the first is exactly MARK=one."""
    entries = ["MARK=one", "MARK=one2", "XMARK=one", "OTHER=MARK=one"]
    processes = [subprocess.Popen(["/usr/bin/env", "-i", entry, "sleep", "1000"]) for entry in entries]
    yield [process.pid for process in processes]
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.anyio
async def test_given_a_marker_when_its_carriers_are_looked_for_then_only_an_exact_entry_counts(
    marked: list[int],
) -> None:
    carriers = await until(lambda: processtree.carriers("MARK=one"))  # empty until env(1) has become sleep(1)
    assert carriers == {marked[0]}
