"""Results of dependencies in the workspace of a task that builds on them."""

from pathlib import Path
from uuid import uuid4

import pytest

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.worker.workspace import DependencyResult, Project, Workspaces
from agent_swarm.worker.workspace.errors import DependencyMissing, MergeConflict

from .checkouts import AGENT, AgentIn, Checkout, OpenHost

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def deliver(
    host: Workspaces, agent_in: AgentIn, project: Project, title: str, files: dict[str, str], *needs: DependencyResult
) -> DependencyResult:
    """A task done: its accepted result."""
    workspace = await host.prepare(project, str(uuid4()), 1, dependencies=needs)
    for name, content in files.items():
        agent_in(workspace).write(name, content)
    result = await host.collect(workspace, message=title)
    await host.discard(workspace)
    assert result.branch and result.commit
    return DependencyResult(task_id=workspace.task_id, title=title, branch=result.branch, commit=result.commit)


async def test_given_two_results_when_a_dependant_is_prepared_then_both_are_merged_in_the_given_order(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, desk: Checkout
) -> None:
    models = await deliver(host, agent_in, project, "Write\nthe models", {"models": "m\n"})
    routes = await deliver(host, agent_in, project, "Write the routes", {"routes": "r\n"})
    workspace = await host.prepare(project, task, 1, dependencies=[routes, models])
    agent = agent_in(workspace)
    assert {"models": "m", "routes": "r"}.items() <= agent.files("HEAD").items()
    assert agent.parents("HEAD") == [routes.commit, models.commit]
    assert agent.git("log", "-1", "--format=%s") == "Merge the result of 'Write the models'"
    assert agent.git("log", "-1", "--format=%an <%ae>") == f"Ada <{AGENT}@agents.agent-swarm.invalid>"
    assert agent.git("status", "--porcelain") == ""
    assert workspace.base == agent.head


async def test_given_one_result_that_extends_the_branch_when_a_dependant_is_prepared_then_no_merge_commit_is_made(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    models = await deliver(host, agent_in, project, "Write the models", {"models": "m\n"})
    routes = await deliver(host, agent_in, project, "Write the routes", {"routes": "r\n"}, models)
    workspace = await host.prepare(project, task, 1, dependencies=[models, routes])
    assert agent_in(workspace).head == routes.commit


async def test_given_merged_results_when_the_dependant_is_collected_then_only_its_own_changes_are_counted(
    host: Workspaces, project: Project, agent_in: AgentIn
) -> None:
    models = await deliver(host, agent_in, project, "Write the models", {"models": "m\n" * 50})
    routes = await deliver(host, agent_in, project, "Write the routes", {"routes": "r\n" * 50})
    workspace = await host.prepare(project, str(uuid4()), 1, dependencies=[models, routes])
    agent_in(workspace).write("views", "v\n")
    result = await host.collect(workspace, message="Write the views")
    assert (result.files_changed, result.insertions, result.deletions) == (1, 1, 0)


async def test_given_a_result_of_another_host_when_a_dependant_is_prepared_then_it_comes_from_the_projects_repository(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn
) -> None:
    models = await deliver(await open_host("there"), agent_in, project, "Write the models", {"models": "m\n"})
    workspace = await (await open_host("here")).prepare(project, task, 1, dependencies=[models])
    assert (workspace.path / "models").read_text() == "m\n"


async def test_given_a_result_whose_branch_moved_on_when_a_dependant_is_prepared_then_the_accepted_commit_is_merged(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, desk: Checkout
) -> None:
    models = await deliver(await open_host("there"), agent_in, project, "Write the models", {"models": "m\n"})
    desk.git("fetch", "--quiet", "origin", models.branch)
    desk.git("checkout", "--quiet", "FETCH_HEAD")
    desk.commit({"models": "later\n"})
    desk.git("push", "--quiet", "origin", f"HEAD:refs/heads/{models.branch}")
    workspace = await (await open_host("here")).prepare(project, task, 1, dependencies=[models])
    assert (workspace.path / "models").read_text() == "m\n"


async def test_given_a_result_whose_branch_was_deleted_when_a_dependant_is_prepared_then_its_commit_is_fetched_by_id(
    open_host: OpenHost, project: Project, task: str, agent_in: AgentIn, origin: Checkout
) -> None:
    models = await deliver(await open_host("there"), agent_in, project, "Write the models", {"models": "m\n"})
    origin.git("branch", "-D", models.branch)
    workspace = await (await open_host("here")).prepare(project, task, 1, dependencies=[models])
    assert (workspace.path / "models").read_text() == "m\n"


async def test_given_a_result_that_is_gone_when_a_dependant_is_prepared_then_the_error_names_it_and_nothing_is_left(
    host: Workspaces, project: Project, task: str, worker_dir: Path
) -> None:
    lost = DependencyResult(task_id=str(uuid4()), title="Write", branch=f"swarm/{uuid4()}/1", commit="1" * 40)
    with pytest.raises(DependencyMissing, match=f"result {'1' * 40} of dependency 'Write' .{lost.task_id}.") as caught:
        await host.prepare(project, task, 1, dependencies=[lost])
    assert caught.value.failure is FailureClass.POLICY
    assert list((worker_dir / "runs").iterdir()) == []


async def test_given_conflicting_results_when_a_dependant_is_prepared_then_the_error_names_tasks_and_files(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, worker_dir: Path
) -> None:
    one = await deliver(host, agent_in, project, "Say one", {"README": "one\n", "ü b": "1\n", "fine": "1\n"})
    two = await deliver(host, agent_in, project, "Say two", {"README": "two\n", "ü b": "2\n"})
    with pytest.raises(MergeConflict) as caught:
        await host.prepare(project, task, 1, dependencies=[one, two])
    error = caught.value
    assert (error.task_id, error.files) == (two.task_id, ("README", "ü b"))
    assert error.merged_before == (f"'Say one' ({one.task_id})",)
    assert f"result of dependency 'Say two' ({two.task_id}) conflicts with 'Say one' ({one.task_id})" in error.message
    assert error.hint
    assert error.failure is FailureClass.POLICY
    assert list((worker_dir / "runs").iterdir()) == list((worker_dir / "trash").iterdir()) == []


async def test_given_a_conflict_when_the_attempt_is_prepared_again_without_the_culprit_then_it_starts_clean(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn
) -> None:
    one = await deliver(host, agent_in, project, "Say one", {"README": "one\n"})
    two = await deliver(host, agent_in, project, "Say two", {"README": "two\n"})
    with pytest.raises(MergeConflict):
        await host.prepare(project, task, 1, dependencies=[one, two])
    workspace = await host.prepare(project, task, 1, dependencies=[two])
    assert (workspace.path / "README").read_text() == "two\n"


async def test_given_a_conflict_with_the_projects_branch_when_a_dependant_is_prepared_then_the_error_says_so(
    host: Workspaces, project: Project, task: str, agent_in: AgentIn, desk: Checkout
) -> None:
    one = await deliver(host, agent_in, project, "Say one", {"README": "one\n"})
    desk.commit({"README": "other\n"})
    desk.git("push", "--quiet", "origin", "main")
    with pytest.raises(MergeConflict, match="conflicts with the project's branch in 'README'"):
        await host.prepare(project, task, 1, dependencies=[one])
