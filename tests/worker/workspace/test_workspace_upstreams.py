"""The kinds of repositories a project can have."""

# ruff: noqa: ASYNC221, ASYNC240 - a test may wait for its files

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.worker.workspace import DependencyResult, Project, Workspaces
from agent_swarm.worker.workspace.errors import (
    AuthenticationFailed,
    GitFailed,
    PushRefused,
    RepositoryNotFound,
    RepositoryUnreachable,
)

from .checkouts import AgentIn, Checkout, MakeCheckout, OpenHost
from .gitserver import PASSWORD, TOKEN, USER, serving

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize("form", ["{path}", "{path}/.git", "file://{quoted}"])
async def test_given_a_local_checkout_when_a_task_runs_on_it_then_the_result_is_a_branch_there_and_its_files_stay(
    form: str, host: Workspaces, task: str, agent_in: AgentIn, make_checkout: MakeCheckout, tmp_path: Path
) -> None:
    local = make_checkout(tmp_path / "my code'$x")
    head = local.commit({"README": "hello\n"})
    local.write("README", "being edited\n")
    url = form.format(path=local.path, quoted=quote(str(local.path)))
    workspace = await host.prepare(Project(id=str(uuid4()), url=url), task, 1)
    agent_in(workspace).write("file", "1\n")
    result = await host.collect(workspace, message="done")
    assert result.base == head
    assert local.files(f"swarm/{task}/1") == {"README": "hello", "file": "1"}
    assert (local.head, local.branch) == (head, "main")
    assert local.git("status", "--porcelain") == "M README"


async def test_given_a_result_branch_that_is_checked_out_when_it_changes_then_the_push_is_refused_with_gits_reason(
    host: Workspaces, task: str, agent_in: AgentIn, make_checkout: MakeCheckout, tmp_path: Path
) -> None:
    local = make_checkout(tmp_path / "local")
    local.commit({"README": "hello\n"})
    workspace = await host.prepare(Project(id=str(uuid4()), url=str(local.path)), task, 1)
    await host.collect(workspace, message="done")
    local.git("checkout", "--quiet", f"swarm/{task}/1")
    agent_in(workspace).commit({"file": "1\n"})
    with pytest.raises(PushRefused, match="branch is currently checked out"):
        await host.collect(workspace, message="done")


async def test_given_a_checkout_on_a_result_branch_when_the_next_task_starts_then_it_starts_from_there(
    host: Workspaces, agent_in: AgentIn, make_checkout: MakeCheckout, tmp_path: Path
) -> None:
    local = make_checkout(tmp_path / "local")
    local.commit({"README": "hello\n"})
    project, first = Project(id=str(uuid4()), url=str(local.path)), str(uuid4())
    workspace = await host.prepare(project, first, 1)
    own = agent_in(workspace).commit({"file": "1\n"})
    await host.collect(workspace, message="done")
    local.git("checkout", "--quiet", f"swarm/{first}/1")
    assert (await host.prepare(project, str(uuid4()), 1)).base == own


async def test_given_a_checkout_with_a_detached_head_when_a_task_starts_then_it_starts_at_main_or_else_at_that_commit(
    host: Workspaces, make_checkout: MakeCheckout, tmp_path: Path
) -> None:
    local = make_checkout(tmp_path / "local")
    main = local.commit({"README": "hello\n"})
    local.git("checkout", "--quiet", "--detach")
    detached = local.commit({"README": "detached\n"})
    project = Project(id=str(uuid4()), url=str(local.path))
    assert (await host.prepare(project, str(uuid4()), 1)).base == main
    for name in ("one", "two"):
        local.git("branch", name, "main")
    local.git("branch", "-D", "main")
    assert (await host.prepare(project, str(uuid4()), 1)).base == detached


async def test_given_a_server_whose_head_names_no_branch_when_a_task_starts_then_the_only_branch_is_taken(
    host: Workspaces, project: Project, task: str, origin: Checkout, desk: Checkout
) -> None:
    origin.git("branch", "-m", "main", "trunk")
    origin.git("symbolic-ref", "HEAD", "refs/heads/unborn")
    assert (await host.prepare(project, task, 1)).base == desk.head


@pytest.mark.parametrize("bare", [True, False])
async def test_given_an_empty_repository_when_tasks_run_on_it_then_they_start_from_one_shared_empty_commit(
    bare: bool, open_host: OpenHost, agent_in: AgentIn, make_checkout: MakeCheckout, tmp_path: Path
) -> None:
    empty = make_checkout(tmp_path / "empty", bare=bare)
    project, results = Project(id=str(uuid4()), url=str(empty.path)), []
    for name in ("here", "there"):
        host, task = await open_host(name), str(uuid4())
        workspace = await host.prepare(project, task, 1)
        assert list(workspace.path.iterdir()) == [workspace.path / ".git"]
        agent_in(workspace).write(name, "1\n")
        result = await host.collect(workspace, message="done")
        assert (result.base, result.files_changed) == (workspace.base, 1)
        assert empty.files(result.base or "") == {}
        results.append(
            DependencyResult(task_id=task, title=name, branch=result.branch or "", commit=result.commit or "")
        )
    host = await open_host("third")
    workspace = await host.prepare(project, str(uuid4()), 1, dependencies=results)
    assert agent_in(workspace).files("HEAD") == {"here": "1", "there": "1"}


async def test_given_an_empty_repository_when_it_is_not_changed_then_the_result_is_the_empty_commit(
    host: Workspaces, task: str, make_checkout: MakeCheckout, tmp_path: Path
) -> None:
    empty = make_checkout(tmp_path / "empty", bare=True)
    project = Project(id=str(uuid4()), url=str(empty.path), default_branch="main")
    workspace = await host.prepare(project, task, 1)
    result = await host.collect(workspace, message="unused")
    assert result.commit == result.base == empty.git("rev-parse", f"swarm/{task}/1")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to make a repository of another user")
@pytest.mark.parametrize("form", ["{path}", "{path}/", "file://{path}", "{link}"])
async def test_given_a_repository_of_another_user_when_a_task_runs_as_root_then_it_works_for_that_path(
    form: str, host: Workspaces, task: str, agent_in: AgentIn, make_checkout: MakeCheckout, tmp_path: Path
) -> None:
    local = make_checkout(tmp_path / "theirs")
    local.commit({"README": "hello\n"})
    (tmp_path / "link").symlink_to(local.path)
    subprocess.run(["chown", "-R", "12345:12345", local.path], check=True)
    workspace = await host.prepare(
        Project(id=str(uuid4()), url=form.format(path=local.path, link=tmp_path / "link")), task, 1
    )
    agent_in(workspace).write("file", "1\n")
    await host.collect(workspace, message="done")
    subprocess.run(["chown", "-R", "0:0", local.path], check=True)
    assert local.files(f"swarm/{task}/1") == {"README": "hello", "file": "1"}


@pytest.mark.parametrize("credentials", ["in the url", "token only in the url", "from the user's helper"])
async def test_given_a_server_that_wants_credentials_when_a_task_runs_then_they_are_used_and_show_up_nowhere(
    credentials: str,
    open_host: OpenHost,
    task: str,
    agent_in: AgentIn,
    origin: Checkout,
    environ: dict[str, str],
    tmp_path: Path,
) -> None:
    secret = quote(PASSWORD, safe="")
    origin.git("config", "http.receivepack", "true")
    with serving(origin.path.parent, environ) as (address, _):
        url = f"http://{USER}:{secret}@{address}/origin.git"
        if credentials == "token only in the url":
            url = f"http://{TOKEN}@{address}/origin.git"
        if credentials == "from the user's helper":
            Path(environ["HOME"], ".gitconfig").write_text("[credential]\n\thelper = store\n")
            Path(environ["HOME"], ".git-credentials").write_text(f"http://{USER}:{secret}@{address}\n")
            url = f"http://{address}/origin.git"
        host = await open_host()
        project = Project(id=str(uuid4()), url=url)
        workspace = await host.prepare(project, task, 1)
        agent_in(workspace).write("file", "1\n")
        result = await host.collect(workspace, message="done")
        snapshot = await host.snapshot(workspace)
    assert snapshot.pushed
    assert origin.files(result.branch or "")["file"] == "1"
    written = b"".join(path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file())
    for text in (PASSWORD, secret, TOKEN):
        assert text.encode() not in written
        assert text not in repr((project, workspace, result, snapshot))


@pytest.mark.parametrize("userinfo", [f"{USER}:wr0ng-s3cret@", "t0ken-s3cret@", ""])
async def test_given_wrong_or_no_credentials_when_a_task_starts_then_the_error_says_so_and_holds_no_secret(
    userinfo: str, host: Workspaces, task: str, origin: Checkout, environ: dict[str, str]
) -> None:
    with serving(origin.path.parent, environ) as (address, _), pytest.raises(AuthenticationFailed) as caught:
        await host.prepare(Project(id=str(uuid4()), url=f"http://{userinfo}{address}/origin.git"), task, 1)
    error = caught.value
    assert error.failure is FailureClass.INFRASTRUCTURE
    assert "credential helper" in error.hint
    assert "s3cret" not in f"{error.message}{error.details}{error.hint}"


async def test_given_a_repository_that_does_not_exist_when_a_task_starts_then_the_error_says_so(
    host: Workspaces, task: str, origin: Checkout, environ: dict[str, str], tmp_path: Path
) -> None:
    with serving(origin.path.parent, environ) as (address, _):
        server = f"http://{USER}:{quote(PASSWORD, safe='')}@{address}/other.git"
        for url in (server, str(tmp_path / "nowhere"), f"file://{tmp_path}/nowhere"):
            with pytest.raises(RepositoryNotFound) as caught:
                await host.prepare(Project(id=str(uuid4()), url=url), task, 1)
            assert caught.value.hint.startswith("check the project's URL")


async def test_given_a_server_that_is_off_when_a_known_project_is_prepared_then_it_is_an_infrastructure_error(
    host: Workspaces, project: Project, task: str, worker_dir: Path
) -> None:
    await host.prepare(project, task, 1)
    offline = replace(project, url="http://127.0.0.1:9/origin.git")  # RFC 863: nobody listens on the discard port
    with pytest.raises(RepositoryUnreachable) as caught:
        await host.prepare(offline, task, 2)
    assert caught.value.failure is FailureClass.INFRASTRUCTURE
    assert "Failed to connect to 127.0.0.1 port 9" in caught.value.message
    assert [path.name for path in (worker_dir / "runs" / task).iterdir()] == ["1"]


async def test_given_attempts_that_start_at_once_when_they_fetch_then_they_share_what_is_fetched_after_they_asked(
    host: Workspaces, origin: Checkout, environ: dict[str, str]
) -> None:
    with serving(origin.path.parent, environ) as (address, requests):
        url = f"http://{USER}:{quote(PASSWORD, safe='')}@{address}/origin.git"
        project = Project(id=str(uuid4()), url=url)
        await host.prepare(project, str(uuid4()), 1)
        once = len(requests)
        await asyncio.gather(*(host.prepare(project, str(uuid4()), 1) for _ in range(6)))
        assert len(requests) - once <= 2 * once


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relative/path",
        "./x",
        "~/x",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c touch% /tmp/x",
        "fd::3",
        "https://",
        "http:///x",
        "ftp://host/x",
        "file://host/x",
        "/path\nwith newline",
        " /x",
        "-host:path",
    ],
)
async def test_given_an_address_that_is_none_when_a_task_starts_then_it_is_refused_before_git_sees_it(
    url: str, host: Workspaces, task: str
) -> None:
    with pytest.raises(InvalidInput):
        await host.prepare(Project(id=str(uuid4()), url=url), task, 1)


async def test_given_a_users_rewriting_to_a_command_when_a_task_starts_then_git_does_not_run_it(
    host: Workspaces, task: str, environ: dict[str, str], tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    rewriting = f'[url "ext::touch {ran} #"]\n\tinsteadOf = https://rewritten.invalid/\n'
    Path(environ["HOME"], ".gitconfig").write_text(rewriting)
    with pytest.raises(GitFailed, match="transport 'ext' not allowed"):
        await host.prepare(Project(id=str(uuid4()), url="https://rewritten.invalid/x.git"), task, 1)
    assert not ran.exists()
