"""The commands on VMs, as processes: without QEMU what they refuse, with it eight guests at once."""

import contextlib
import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from agent_swarm.testing.tiny_guest import build
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.names import ref_of
from agent_swarm.vm.processes import ProcessIdentity
from agent_swarm.vm.registry import Registry, VmRow
from agent_swarm.vm.repair import cut_power

TINY = Path(__file__).resolve().parents[2] / "build/tiny-guest"


@pytest.fixture
def layout(environment: dict[str, str]) -> Layout:
    return Layout(Path(environment["AGENT_SWARM_HOME"]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "shop", "fix"), "there is no project 'shop'"),
        (("start", "fix"), "there is no task 'fix'"),
        (("stop", "fix"), "there is no task 'fix'"),
        (("delete", "fix"), "there is no task 'fix'"),
        (("run", "fix", "true"), "there is no task 'fix'"),
        (("logs", "fix"), "there is no task 'fix'"),
        (("checkpoint", "fix"), "there is no task 'fix'"),
        (("restore", "fix", "one"), "there is no task 'fix'"),
        (("checkpoints", "fix"), "there is no task 'fix'"),
        (("project", "stop", "shop"), "there is no project 'shop'"),
        (("project", "delete", "shop"), "there is no project 'shop'"),
        (("project", "run", "shop", "true"), "there is no project 'shop'"),
        (("project", "create", "shop"), "there is no base image"),
        (("project", "create", "../shop"), "cannot be the name of a project"),
        (("create", "shop", "a/b"), "cannot be the name of a task"),
        (("delete", "x" * 300), "(300 characters)' cannot be the name of a task"),
        (("init-base", "--image", "no-such-file"), "there is no file or folder"),
        (("init-base", "--image", "a", "--from-debootstrap"), "say one source"),
        (("init-base", "--url", "http://127.0.0.1:9/disk.img"), "--url takes --sha256 and --name"),
        (("init-base", "--prepare"), "--prepare is about --image"),
        (("env", "set", "1X", "value"), "cannot be the name of a variable"),
        (("env", "set", "TOKEN", "value", "--project", "shop"), "there is no project 'shop'"),
        (("env", "rm", "TOKEN"), "no variable 'TOKEN' is set for all projects"),
        (("cp", "here", "there"), "has to be TASK:PATH"),
        (("cp", "C:\\here", "there"), "has to be TASK:PATH"),
        (("cp", "fix:a", "other:b"), "has to be TASK:PATH"),
        (("bulk", "delete"), "say which"),
        (("bulk", "create", "shop", "a", "b"), "there is no project 'shop'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
@pytest.mark.slow
def test_given_what_cannot_be_when_it_is_asked_for_then_it_is_one_clear_line_and_a_hint(
    run: Run, layout: Layout, arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments)
    assert done.code == 1
    assert said in done.err
    assert "hint:" in done.err
    assert len(done.err.splitlines()) == 2
    assert not layout.vms.exists() or list(layout.vms.iterdir()) == []


@pytest.mark.slow
def test_given_no_qemu_then_every_command_that_needs_none_works_and_providers_say_what_to_install(
    run: Run, tmp_path: Path
) -> None:
    env = {"PATH": str(tmp_path)}
    (mac, linux, windows) = json.loads(run("providers", "--json", env=env).out)["providers"]
    assert [one["name"] for one in (mac, linux, windows)] == ["macos", "kvm", "hyperv"]
    if sys.platform == "linux":
        assert not linux["available"]
        assert "apt install" in linux["detail"]
    assert json.loads(run("list", "--json", env=env).out) == {"tasks": []}
    assert json.loads(run("project", "list", "--json", env=env).out) == {"projects": []}
    assert json.loads(run("status", "--json", env=env).out)["tasks"] == {"running": 0, "stopped": 0, "broken": 0}
    assert json.loads(run("gc", "--json", env=env).out) == {"removed": True, "leftovers": []}


@pytest.mark.slow
def test_given_vms_in_the_registry_then_a_shell_completes_their_names(run: Run, layout: Layout) -> None:
    layout.prepare()
    with Registry.open(layout.registry) as registry:
        for name in ("agent-swarm-fix", "agent-swarm-fetch", "agent-swarm-other", "project-shop"):
            ref = ref_of(name)
            assert ref is not None
            row = VmRow(ref=ref, project="shop", provider="kvm", origin="", status="stopped", created_at="")
            registry.add(row)
    env = {"_AGENT_SWARM_COMPLETE": "bash_complete", "COMP_WORDS": "agent-swarm start f", "COMP_CWORD": "2"}
    assert set(run(env=env).out.split()) == {"plain,fix", "plain,fetch"}


@pytest.mark.slow
def test_given_files_of_vms_that_nobody_knows_then_gc_removes_them_only_when_told_to(run: Run, layout: Layout) -> None:
    layout.prepare()
    (layout.vms / "agent-swarm-lost").mkdir()
    (layout.vms / "agent-swarm-lost/disk.qcow2").write_bytes(b"x" * 100)
    (layout.base_images / ".new-1-tools").mkdir()
    assert "exists, though no task of that name is known" in run("create", "shop", "lost").err
    assert json.loads(run("gc", "--json").out)["leftovers"][0]["why"] == "a base image that was never finished"
    assert not (layout.base_images / ".new-1-tools").exists()
    rehearsed = json.loads(run("gc", "--unknown", "--dry-run", "--json").out)
    assert [one["bytes"] for one in rehearsed["leftovers"]] == [100]
    assert (layout.vms / "agent-swarm-lost").exists()
    run("gc", "--unknown")
    assert not (layout.vms / "agent-swarm-lost").exists()


@pytest.fixture
def shop(run: Run, layout: Layout) -> object:
    """A project on the tiny guest that has been set up and stopped; its VMs are ended afterwards."""
    if shutil.which("qemu-img") is None or not all((TINY / part).exists() for part in build.PARTS):
        (pytest.fail if os.environ.get("SKIP_NOTHING") else pytest.skip)("no QEMU or no tiny guest: make guest")
    assert run("init-base", "--image", str(TINY), "--name", "tiny").code == 0
    yield run
    for folder in layout.vms.iterdir():
        if ref := ref_of(folder.name):
            cut_power(layout.of(ref))


def at_terminal(environment: dict[str, str], *arguments: str) -> tuple[list[str], int]:
    """What a command says at a terminal of 31 lines and 71 columns, and how it ends."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 71, 0, 0))
    command = [sys.executable, "-m", "agent_swarm", *arguments]
    said = b""
    with subprocess.Popen(command, env={**environment, "TERM": "vt52"}, stdin=its, stdout=its, stderr=its) as running:
        os.close(its)
        with contextlib.suppress(OSError):  # how a terminal says that nobody has it open any more
            while chunk := os.read(ours, 4096):
                said += chunk
        os.close(ours)
        code = running.wait(60)
    return said.decode().replace("\r", "").splitlines(), code


SMALL = ("--cpus", "1", "--memory", "128", "--disk", "0")


@pytest.mark.slow
@pytest.mark.usefixtures("shop")
def test_given_a_project_when_eight_clones_are_made_at_once_then_each_is_its_own(
    run: Run, layout: Layout, environment: dict[str, str], tmp_path: Path
) -> None:
    made = run("project", "create", "shop", *SMALL)
    assert made.code == 0, made.err
    assert run("project", "run", "shop", "sh", "-c", "cat > notes", stdin="from home\n").code == 0
    names = [f"t{number}" for number in range(8)]
    done = run("bulk", "create", "shop", *names, "bad/name", "--json", seconds=240)
    results = {one["name"]: one for one in json.loads(done.out)["results"]}
    assert done.code == 1
    assert {name for name, one in results.items() if one["ok"]} == set(names)
    assert results["bad/name"]["error"]["code"] == "invalidVmName"

    quoted = run("run", "t3", "sh", "-c", 'cat notes; hostname; printf "%s|" "$@"; exit 5', "sh", "--print", 'a "b" $c')
    assert (quoted.code, quoted.out) == (5, 'from home\nt3\n--print|a "b" $c|')
    assert json.loads(run("status", "--json").out)["tasks"]["running"] == 8
    assert "in use by t0, t1" in run("project", "delete", "shop").err

    assert run("env", "set", "TOKEN", "a 'b' $c", "--project", "shop").code == 0
    kept = json.loads(run("run", "--json", "t3", "sh", "-c", 'echo "$TOKEN"; cat; echo no >&2; exit 6', stdin="in").out)
    assert kept == {"exitCode": 6, "stdout": "a 'b' $c\nin", "stderr": "no\n"}
    assert at_terminal(environment, "run", "t3", "sh", "-c", "tty; echo $TERM; stty size; exit 3") == (
        ["/dev/pts/0", "vt52", "31 71"],
        3,
    )
    denied = run("run", "t3", "sh", "-c", "echo 'git@x: Permission denied (publickey).' >&2; exit 128")
    assert denied.code == 128
    assert "agent-swarm ssh, with a key in ssh-add -l" in denied.err.splitlines()[-1]
    assert json.loads(run("logs", "t3", "--json").out)["name"] == "t3"
    (tmp_path / "file").write_text("content")
    assert json.loads(run("cp", "file", "t3:.", "--json").out)["copied"]

    running = subprocess.Popen(
        [sys.executable, "-m", "agent_swarm", "run", "t4", "sh", "-c", "echo up; sleep 1000"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    running.stdout.close()
    assert "sleep 1000" not in run("run", "t4", "ps").out

    process = ProcessIdentity.read(next(layout.vms.glob("agent-swarm-t5")) / "process.json")
    assert process is not None
    assert process.is_running()  # though the command that started it has ended
    gone = run("bulk", "delete", "--project", "shop")
    assert gone.out.splitlines()[-1] == "8 deleted, 0 failed"
    assert not process.is_running()
    assert run("project", "delete", "shop").code == 0
