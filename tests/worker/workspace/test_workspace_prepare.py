"""What an attempt finds when it starts."""

# ruff: noqa: ASYNC240 - a test may wait for its files

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.worker.workspace import Identity, PreviousAttempt, Project, Workspaces
from agent_swarm.worker.workspace.errors import BaseNotFound, WorkspaceInUse

from .checkouts import AGENT, AgentIn, Checkout, OpenHost

pytestmark = pytest.mark.anyio


async def test_given_a_project_when_an_attempt_is_prepared_then_it_has_a_worktree_on_its_own_branch_at_the_default_head(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, desk: Checkout, worker_dir: Path
) -> None:
    workspace = await host.prepare(project, task, 1)
    agent = agent_in(workspace)
    assert workspace.path == worker_dir / "runs" / task / "1" / "work"
    assert workspace.state_dir == worker_dir / "runs" / task / "1" / "state"
    assert workspace.state_dir.is_dir()
    assert agent.branch == workspace.branch == f"swarm/{task}/1"
    assert agent.head == workspace.base == desk.head
    assert agent.git("status", "--porcelain") == ""
    assert agent.files("HEAD") == {"README": "hello", "src/app.py": "print(1)"}


async def test_given_an_upstream_that_moved_on_when_the_next_attempt_is_prepared_then_it_starts_from_the_new_head(
    host: Workspaces, project: Project, task: str, desk: Checkout
) -> None:
    await host.prepare(project, task, 1)
    moved = desk.commit({"new": "1"})
    desk.git("push", "--quiet", "origin", "main")
    assert (await host.prepare(project, task, 2)).base == moved


async def test_given_a_rewritten_upstream_when_the_next_attempt_is_prepared_then_it_starts_from_the_new_history(
    host: Workspaces, project: Project, task: str, desk: Checkout, agent_in: AgentIn
) -> None:
    first = await host.prepare(project, task, 1)
    desk.git("commit", "--quiet", "--amend", "-m", "Begin again")
    desk.git("push", "--quiet", "--force", "origin", "main")
    assert (await host.prepare(project, task, 2)).base == desk.head
    agent_in(first).git("fsck", "--connectivity-only")


@pytest.mark.parametrize("kind", ["branch", "tag", "commit", "result of another attempt"])
async def test_given_a_base_when_an_attempt_is_prepared_then_it_starts_there(
    kind: str, host: Workspaces, project: Project, task: str, desk: Checkout
) -> None:
    commit = desk.commit({"side": "1"})
    names = {"branch": "feature/side", "tag": "v1", "commit": commit, "result of another attempt": f"swarm/{uuid4()}/1"}
    if kind == "tag":
        desk.git("tag", "--annotate", "-m", "one", "v1")
        desk.git("push", "--quiet", "origin", "v1")
    else:
        desk.git("push", "--quiet", "origin", f"HEAD:refs/heads/{'other' if kind == 'commit' else names[kind]}")
    assert (await host.prepare(project, task, 1, base=names[kind])).base == commit


@pytest.mark.parametrize("base", ["nowhere", "1" * 40])
async def test_given_a_base_that_does_not_exist_when_an_attempt_is_prepared_then_the_error_names_it_and_nothing_is_left(
    base: str, host: Workspaces, project: Project, task: str, worker_dir: Path
) -> None:
    with pytest.raises(BaseNotFound, match=f"no branch, tag or commit '{base}'"):
        await host.prepare(project, task, 1, base=base)
    assert list((worker_dir / "runs").rglob("*")) == list((worker_dir / "trash").rglob("*")) == []


async def test_given_a_default_branch_that_does_not_exist_when_an_attempt_is_prepared_then_the_error_names_others(
    host: Workspaces, project: Project, task: str
) -> None:
    with pytest.raises(BaseNotFound, match="no branch 'trunk'; it has main"):
        await host.prepare(replace(project, default_branch="trunk"), task, 1)


async def test_given_a_project_with_another_default_branch_when_an_attempt_is_prepared_then_it_starts_there(
    host: Workspaces, project: Project, task: str, desk: Checkout
) -> None:
    commit = desk.commit({"side": "1"})
    desk.git("push", "--quiet", "origin", "HEAD:refs/heads/trunk")
    assert (await host.prepare(replace(project, default_branch="trunk"), task, 1)).base == commit


async def test_given_a_workspace_when_the_agent_looks_around_then_it_sees_the_projects_branches_and_tags(
    host: Workspaces, project: Project, task: str, desk: Checkout, agent_in: AgentIn
) -> None:
    desk.git("tag", "v1")
    desk.git("push", "--quiet", "origin", "main:refs/heads/feature/x", "v1")
    agent = agent_in(await host.prepare(project, task, 1))
    assert set(agent.refs()) == {
        f"refs/heads/swarm/{task}/1",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/feature/x",
        "refs/remotes/origin/main",
        "refs/tags/v1",
    }
    assert agent.git("describe", "--tags") == "v1"
    assert agent.git("rev-parse", "--abbrev-ref", "origin/HEAD") == "origin/main"


async def test_given_a_workspace_when_the_agent_fetches_and_pushes_then_origin_is_the_projects_repository(
    host: Workspaces, project: Project, task: str, desk: Checkout, agent_in: AgentIn, origin: Checkout
) -> None:
    agent = agent_in(await host.prepare(project, task, 1))
    moved = desk.commit({"new": "1"})
    desk.git("push", "--quiet", "origin", "main")
    agent.git("fetch", "--quiet")
    assert agent.git("rev-parse", "origin/main") == moved
    agent.git("push", "--quiet", "origin", "HEAD:refs/heads/mine")
    assert origin.refs("refs/heads/mine") == {"refs/heads/mine": agent.head}


async def test_given_two_attempts_when_they_are_prepared_and_work_at_once_then_neither_sees_the_other(
    host: Workspaces, project: Project, agent_in: AgentIn, origin: Checkout
) -> None:
    tasks = [str(uuid4()) for _ in range(4)]
    workspaces = await asyncio.gather(*(host.prepare(project, task, 1) for task in tasks))
    agents = [agent_in(workspace) for workspace in workspaces]
    for number, agent in enumerate(agents):
        agent.write("README", f"stashed by {number}\n")
        agent.git("stash")
        agent.commit({"mine": f"{number}\n"})
        agent.git("config", "user.nickname", str(number))
    for number, agent in enumerate(agents):
        agent.git("stash", "pop")
        assert (agent.path / "README").read_text() == f"stashed by {number}\n"
        assert agent.git("config", "user.nickname") == str(number)
        assert len(agent.refs("refs/heads")) == 1
    results = await asyncio.gather(*(host.collect(workspace, message="rest") for workspace in workspaces))
    for number, result in enumerate(results):
        assert origin.files(result.branch or "") == {
            "README": f"stashed by {number}",
            "mine": str(number),
            "src/app.py": "print(1)",
        }


async def test_given_a_live_attempt_when_it_is_prepared_again_then_that_is_refused(
    host: Workspaces, project: Project, task: str
) -> None:
    workspace = await host.prepare(project, task, 1)
    (workspace.path / "work").write_text("1")
    with pytest.raises(WorkspaceInUse, match=f"attempt 1 of task {task} already works in this worker"):
        await host.prepare(project, task, 1)
    assert (workspace.path / "work").read_text() == "1"


async def test_given_a_run_of_a_killed_worker_when_its_attempt_is_prepared_again_then_that_is_refused(
    open_host: OpenHost, project: Project, task: str
) -> None:
    await (await open_host()).prepare(project, task, 1)
    with pytest.raises(WorkspaceInUse, match="already has a workspace in"):
        await (await open_host()).prepare(project, task, 1)


@pytest.mark.parametrize(
    ("task_id", "attempt"),
    [
        ("../../etc", 1),
        ("", 1),
        ("x" * 36, 1),
        ("0198b2a4-0000-7000-8000-000000000001/..", 1),
        ("0198b2a4-0000-7000-8000-000000000001", 0),
        ("0198b2a4-0000-7000-8000-000000000001", -1),
    ],
)
async def test_given_an_id_that_is_none_when_an_attempt_is_prepared_then_it_is_refused(
    task_id: str, attempt: int, host: Workspaces, project: Project
) -> None:
    with pytest.raises(InvalidInput, match=r"is not a UUID|expected 1 or more"):
        await host.prepare(project, task_id, attempt)


async def test_given_an_upper_case_task_id_when_an_attempt_is_prepared_then_it_is_the_same_task(
    host: Workspaces, project: Project, task: str
) -> None:
    assert (await host.prepare(project, task.upper(), 1)).branch == f"swarm/{task}/1"


async def test_given_an_agent_when_it_commits_then_the_commit_is_its_own(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, environ: dict[str, str]
) -> None:
    workspace = await host.prepare(project, task, 1)
    ident = f"Ada <{AGENT}@agents.agent-swarm.invalid>"
    for env in ({**environ, **workspace.env}, environ):  # tools do not always pass the environment on
        agent = Checkout(workspace.path, env)
        agent.commit({"file": str(len(env))})
        assert agent.git("log", "-1", "--format=%an <%ae>|%cn <%ce>") == f"{ident}|{ident}"
    assert list(Path(environ["HOME"]).iterdir()) == []


@pytest.mark.parametrize(
    ("name", "email", "expected"),
    [
        ("Grace", "grace@example.org", "Grace <grace@example.org>"),
        ("Grace", None, f"Grace <{AGENT}@agents.agent-swarm.invalid>"),
        (None, "grace@example.org", "Ada <grace@example.org>"),
        ("", "", f"Ada <{AGENT}@agents.agent-swarm.invalid>"),
        ("Eve <eve@x>\nHi", "a<b>@c", "Eve eve@x Hi <a b @c>"),
        (' ".,; ', None, f"Ada <{AGENT}@agents.agent-swarm.invalid>"),
    ],
)
async def test_given_a_name_and_an_email_when_the_agent_commits_then_they_are_used(
    name: str | None,
    email: str | None,
    expected: str,
    tmp_path: Path,
    environ: dict[str, str],
    project: Project,
    task: str,
) -> None:
    identity = Identity.of_agent(AGENT, "Ada", name=name, email=email)
    async with await Workspaces.open(tmp_path / "w", identity, environ=environ) as host:
        workspace = await host.prepare(project, task, 1)
        for env in ({**environ, **workspace.env}, environ):
            agent = Checkout(workspace.path, env)
            agent.commit()
            assert agent.git("log", "-1", "--format=%an <%ae>") == expected


async def test_given_a_user_with_settings_of_their_own_when_attempts_run_then_those_are_left_alone_and_do_no_harm(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, environ: dict[str, str], tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "pre-push", "reference-transaction", "post-commit", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\n")
        (hooks / name).chmod(0o755)
    settings = Path(environ["HOME"]) / ".gitconfig"
    settings.write_text(
        f"[user]\nname = Somebody\n[commit]\ngpgSign = true\n[gpg]\nprogram = false\n[core]\nhooksPath = {hooks}\n"
        f"[init]\ntemplateDir = {hooks}\ndefaultRefFormat = reftable\n[merge]\nff = only\n[push]\nfollowTags = true\n"
        "[fetch]\nprune = true\n[diff]\nnoprefix = true\nexternal = false\n[core]\nsafecrlf = true\nautocrlf = input\n"
    )
    before = settings.read_text()
    workspace = await host.prepare(project, task, 1)
    assert list(tmp_path.glob("ran-*")) == []
    agent_in(workspace).write("crlf", "a\r\nb\n")
    result = await host.collect(workspace, message="done")
    await host.discard(workspace)
    assert result.files_changed == 1
    assert settings.read_text() == before
    # Only where the origin takes in a push: what runs there is the origin's policy.
    assert list(tmp_path.glob("ran-*")) == [tmp_path / "ran-reference-transaction"]


async def test_given_a_repository_above_the_workspace_when_the_agent_loses_its_own_then_git_does_not_find_that(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, tmp_path: Path
) -> None:
    Checkout(tmp_path, {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}).git("init", "--quiet")
    for workspace in (await host.prepare(project, task, 1), await host.prepare(None, task, 2)):
        (workspace.path / ".git").unlink(missing_ok=True)
        agent_in(workspace).git("status", accept=(128,))


async def test_given_previous_work_that_nobody_has_when_an_attempt_is_prepared_without_it_then_it_starts_anew(
    host: Workspaces, project: Project, task: str, desk: Checkout
) -> None:
    with pytest.raises(Exception, match=f"the work of attempt 1 of task {task} is not on this host"):
        await host.prepare(project, task, 2, previous=PreviousAttempt(attempt=1))
    assert (await host.prepare(project, task, 2)).base == desk.head


async def test_given_hundreds_of_branches_when_an_attempt_is_prepared_then_all_are_there(
    host: Workspaces, project: Project, task: str, origin: Checkout, agent_in: AgentIn
) -> None:
    head = origin.git("rev-parse", "main")
    origin.git("update-ref", "--stdin", stdin="".join(f"create refs/heads/b/{n} {head}\n" for n in range(300)))
    agent = agent_in(await host.prepare(project, task, 1))
    assert len(agent.refs("refs/remotes/origin/b")) == 300
