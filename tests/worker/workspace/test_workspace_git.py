"""The git runner: what its commands may do, how they end, and what their errors say."""

import asyncio
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from agent_swarm.worker.workspace.errors import (
    AuthenticationFailed,
    DiskFull,
    GitFailed,
    GitMissing,
    GitTimedOut,
    PushRefused,
    RepositoryNotFound,
    RepositoryUnreachable,
)
from agent_swarm.worker.workspace.failures import classify, gist
from agent_swarm.worker.workspace.git import Git

from .checkouts import OpenHost

pytestmark = pytest.mark.anyio

# Recorded from git 2.39 with LC_ALL=C, and from the servers named.
SAMPLES = [
    (
        "fatal: '/nowhere' does not appear to be a git repository\nfatal: Could not read from remote repository.",
        RepositoryNotFound,
    ),
    ("remote: Repository not found.\nfatal: repository 'https://github.com/a/b.git/' not found", RepositoryNotFound),
    ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", RepositoryNotFound),
    ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", AuthenticationFailed),
    (
        "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://gitlab.com/a/b.git/'",
        AuthenticationFailed,
    ),
    (
        "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
        AuthenticationFailed,
    ),
    ("Host key verification failed.\nfatal: Could not read from remote repository.", AuthenticationFailed),
    (
        "remote: Permission to a/b.git denied to c.\n"
        "fatal: unable to access 'https://github.com/a/b.git/': The requested URL returned error: 403",
        AuthenticationFailed,
    ),
    ("fatal: unable to access 'https://x/': Could not resolve host: x", RepositoryUnreachable),
    ("fatal: unable to access 'http://x/': Failed to connect to x port 80: Connection refused", RepositoryUnreachable),
    (
        "ssh: connect to host x port 22: Connection timed out\nfatal: Could not read from remote repository.",
        RepositoryUnreachable,
    ),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 503", RepositoryUnreachable),
    ("fatal: the remote end hung up unexpectedly", RepositoryUnreachable),
    ("error: failed to push some refs to '/x'", PushRefused),
    ("fatal: write error: No space left on device", DiskFull),
    ("fatal: bad object HEAD", GitFailed),
]


@pytest.fixture
def git(environ: dict[str, str]) -> Git:
    return Git(environ=environ)


def script_git(tmp_path: Path, script: str) -> Mapping[str, str]:
    """A PATH on which `git` is a shell script: for commands that hang or speak."""
    path = tmp_path / "bin/git"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize(("stderr", "kind"), SAMPLES)
def test_given_what_git_said_when_a_command_failed_then_the_reason_is_told(stderr: str, kind: type[GitFailed]) -> None:
    assert classify(stderr) is kind


def test_given_a_refused_push_when_it_is_described_then_the_refs_own_reason_is_the_gist() -> None:
    stdout = "To /x\n!\tabc:refs/heads/b\t[remote rejected] (pre-receive hook declined)\nDone\n"
    stderr = "remote: no\nerror: failed to push some refs to '/x'"
    assert classify(stderr, stdout) is PushRefused
    assert gist(stderr, stdout) == "abc:refs/heads/b [remote rejected] (pre-receive hook declined)"


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("warning: x\nfatal: y\nhint: z", "fatal: y"),
        ("remote: no\nerror: first\nerror: second", "error: first"),
        ("just words", "just words"),
        ("", "it gave no reason"),
    ],
)
def test_given_what_git_said_when_it_is_described_then_the_line_that_matters_is_taken(stderr: str, line: str) -> None:
    assert gist(stderr) == line


async def test_given_a_failing_command_when_it_is_run_then_the_error_has_its_words_code_and_a_remedy(
    git: Git, tmp_path: Path
) -> None:
    with pytest.raises(GitFailed, match="git rev-parse HEAD failed: fatal: not a git repository") as caught:
        await git.run("rev-parse", "HEAD", cwd=tmp_path, env={"GIT_CEILING_DIRECTORIES": "/"})
    assert caught.value.exit_code == 128
    assert caught.value.details["stderr"].startswith("fatal: not a git repository")
    assert caught.value.hint


async def test_given_secrets_when_a_command_fails_then_they_are_in_no_part_of_the_error(tmp_path: Path) -> None:
    words = "echo 'fatal: https://u:s3cret@h/x and s3cret and s%2F3 and ssh://git@h/x' >&2; exit 1"
    git = Git(environ=script_git(tmp_path, words))
    with pytest.raises(GitFailed) as caught:
        await git.run("fetch", "https://u:s3cret@h/x", cwd=tmp_path, secrets=("s3cret", "s/3"))
    told = f"{caught.value.message} {caught.value.hint} {caught.value.details}"
    assert "s3cret" not in told
    assert "s%2F3" not in told
    assert "https://***@h/x" in told
    assert "ssh://git@h/x" in told


async def test_given_no_git_when_a_worker_starts_then_the_error_says_how_to_get_it(
    open_host: OpenHost, tmp_path: Path
) -> None:
    with pytest.raises(GitMissing, match="git was not found on the PATH") as caught:
        await open_host(more={"PATH": str(tmp_path)})
    assert "install git" in caught.value.hint


async def test_given_an_old_git_when_a_worker_starts_then_the_error_names_both_versions(
    open_host: OpenHost, tmp_path: Path
) -> None:
    with pytest.raises(GitMissing, match=r"found 'git version 2\.25\.1', need 2\.29 or newer"):
        await open_host(more=script_git(tmp_path, "echo git version 2.25.1"))


async def test_given_a_directory_that_is_gone_when_a_command_is_run_then_the_error_names_it(
    git: Git, tmp_path: Path
) -> None:
    with pytest.raises(GitFailed, match=f"there is no directory {tmp_path}/gone"):
        await git.run("version", cwd=tmp_path / "gone")


async def test_given_a_command_that_hangs_when_its_time_is_over_then_it_and_its_children_are_ended(
    tmp_path: Path,
) -> None:
    fifo, pids = tmp_path / "fifo", tmp_path / "pids"
    os.mkfifo(fifo)
    git = Git(environ=script_git(tmp_path, f"echo $$ >{pids}; cat {fifo} & echo $! >>{pids}; wait"))
    with pytest.raises(GitTimedOut, match=r"git fetch failed: it took longer than 0.5 s"):
        await git.run("fetch", cwd=tmp_path, limit=timedelta(seconds=0.5))
    assert [pid for pid in pids.read_text().split() if is_running(int(pid))] == []


async def test_given_a_command_that_hangs_when_it_is_cancelled_then_it_is_ended(tmp_path: Path) -> None:
    started, block = tmp_path / "started", tmp_path / "block"
    os.mkfifo(started)
    os.mkfifo(block)
    git = Git(environ=script_git(tmp_path, f"echo $$ >{started}; cat {block}"))
    running = asyncio.create_task(git.run("fetch", cwd=tmp_path))
    pid = int(await asyncio.to_thread(started.read_text))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_running(pid)


@pytest.mark.parametrize("turns", range(6))
async def test_given_a_command_that_is_being_started_when_it_is_cancelled_then_neither_it_nor_its_children_go_on(
    turns: int, tmp_path: Path
) -> None:
    block = tmp_path / "block"
    os.mkfifo(block)
    git = Git(environ=script_git(tmp_path, f"cat {block}"))
    running = asyncio.create_task(git.run("fetch", cwd=tmp_path))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, timeout=20)
    assert [process.pid for process in psutil.process_iter() if str(tmp_path) in " ".join(command_line(process))] == []


@pytest.mark.slow
async def test_given_a_command_that_ignores_being_asked_when_it_is_cancelled_then_it_is_killed(tmp_path: Path) -> None:
    started, block = tmp_path / "started", tmp_path / "block"
    os.mkfifo(started)
    os.mkfifo(block)
    git = Git(environ=script_git(tmp_path, f"trap '' TERM; echo $$ >{started}; while :; do cat {block}; done"))
    running = asyncio.create_task(git.run("fetch", cwd=tmp_path))
    pid = int(await asyncio.to_thread(started.read_text))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_running(pid)


async def test_given_a_workers_environment_when_a_command_is_run_then_only_what_git_needs_is_passed_on(
    tmp_path: Path,
) -> None:
    path = script_git(tmp_path, "env")
    secrets = {
        "API_KEY": "k",
        "GITHUB_TOKEN": "t",
        "GIT_DIR": "/x",
        "GIT_TRACE": "1",
        "SSH_ASKPASS": "/x",
        "DISPLAY": ":0",
    }
    git = Git(
        environ={**path, **secrets, "HOME": "/h", "https_proxy": "http://p", "SSH_AUTH_SOCK": "/s", "LC_ALL": "de_DE"}
    )
    lines = (await git.run("x", cwd=tmp_path)).text.splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    assert not secrets.keys() & variables.keys()
    assert variables["HOME"] == "/h"
    assert variables["https_proxy"] == "http://p"
    assert variables["SSH_AUTH_SOCK"] == "/s"
    assert variables["LC_ALL"] == "C"
    assert variables["GIT_TERMINAL_PROMPT"] == "0"


async def test_given_much_output_when_a_command_is_run_then_all_of_it_arrives(tmp_path: Path) -> None:
    git = Git(environ=script_git(tmp_path, "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2"))
    assert len((await git.run("x", cwd=tmp_path)).stdout) == 5_000_000


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
