"""Stages of kind shell: what runs on the server's machine, what it sees, how it ends, and who may have it run."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.server import world as worlds
from tests.server.test_workflows import Watched, stage

from agent_swarm.domain.roles import Role
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.services.tokens import Identity, scopes_of_role
from agent_swarm.store.records import TokenKind
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Opened = Callable[..., AbstractAsyncContextManager[Watched]]


@pytest.fixture
def opened(tmp_path: Path, anyio_backend: str) -> Opened:
    @asynccontextmanager
    async def opening(**settings: Any) -> AsyncIterator[Watched]:
        async with worlds.opened(tmp_path, **{"workflow_sandbox": "process", **settings}) as world:
            watched = Watched(world)
            yield watched
            watched.unsubscribe()

    return opening


def script(name: str, run: str, **fields: Any) -> dict[str, Any]:
    return stage(name, "shell", run=run, **fields)


async def test_given_a_script_when_run_then_others_see_what_it_printed_and_what_it_left(opened: Opened) -> None:
    async with opened() as watched:
        run_id = await watched.run(
            script(
                "make",
                'echo one; echo "$SAID"; echo \'{"n": 3}\' > $AGENT_SWARM_OUTPUT',
                env={"SAID": "{{ inputs.x }}"},
            ),
            script("use", 'test "$N" = 3 && pwd', env={"N": "{{ stages.make.data.n }}"}, needs=["make"]),
            inputs={"x": {}},
            given={"x": "$(touch /tmp/x); `id`"},
        )

        run = await watched.ended(run_id)

        assert run["status"] == "completed", run
        assert run["stages"][0]["output"] == "one\n$(touch /tmp/x); `id`"
        lines = (await watched.world.get(f"/api/tasks/{run['stages'][0]['taskId']}/attempts/1/transcript"))["lines"]
        assert [one["data"]["text"] for one in lines if one["kind"] == "log"][:1] == ["one"]
        assert not os.path.exists(run["stages"][1]["output"])  # noqa: ASYNC240 - its folder went with it


async def test_given_a_script_that_fails_once_when_it_may_be_tried_again_then_it_is(
    opened: Opened, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    async with opened() as watched:
        run_id = await watched.run(script("flaky", f"test -e {mark} || {{ touch {mark}; exit 3; }}", retries=1))
        task_id = (await watched.stage(run_id, "flaky"))["taskId"]
        await watched.heard_of(task_id, "task.requeued")
        watched.world.clock.advance(600)

        assert (await watched.ended(run_id))["status"] == "completed"


async def test_given_a_script_that_fails_when_it_has_then_its_last_words_are_told(opened: Opened) -> None:
    async with opened() as watched:
        run = await watched.ended(await watched.run(script("bad", "echo no such luck >&2; exit 4")))

        assert "exit code 4" in run["message"]
        assert "no such luck" in run["message"]


async def test_given_a_server_without_its_sandbox_when_a_script_is_to_run_then_the_stage_fails_and_says_what_to_do(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    async with opened(workflow_sandbox="bubblewrap") as watched:
        run = await watched.ended(await watched.run(script("look", "true", retries=3)))

        assert "AGENT_SWARM_WORKFLOW_SANDBOX=process" in run["message"]


async def test_given_a_script_that_takes_too_long_when_its_time_is_over_then_it_is_ended(opened: Opened) -> None:
    async with opened() as watched:
        run = await watched.ended(await watched.run(script("slow", "sleep 600", timeoutSeconds=0.3)))

        assert "was not done after 0.3 s" in run["message"]


async def test_given_a_server_with_keys_when_a_script_looks_then_it_has_none_of_them(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "the-key-of-the-server")
    async with opened() as watched:
        run = await watched.ended(await watched.run(script("look", "env | sort")))

        assert "the-key-of-the-server" not in run["stages"][0]["output"]
        assert "AGENT_SWARM_STAGE=look" in run["stages"][0]["output"]


async def test_given_a_link_in_the_place_of_the_output_when_a_script_left_it_then_it_is_not_followed(
    opened: Opened, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"key": "of the server"}')
    async with opened() as watched:
        run = await watched.ended(await watched.run(script("link", f"ln -s {secret} $AGENT_SWARM_OUTPUT")))

        assert run["status"] == "failed"
        assert "AGENT_SWARM_OUTPUT" in run["message"]


async def test_given_a_script_at_work_when_its_run_is_cancelled_then_nothing_of_it_is_left(
    opened: Opened, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    async with opened() as watched:
        run_id = await watched.run(script("long", f"echo $$ > {mark}.new; mv {mark}.new {mark}; sleep 600"))
        pid = int((await until(lambda: mark.read_text() if mark.exists() else "", within=20)).strip())

        await watched.world.post(f"/api/workflows/{run_id}/cancel")

        await until(lambda: not _lives(pid))


async def test_given_a_script_at_work_when_the_kill_switch_is_used_then_it_is_dead_and_that_is_confirmed(
    opened: Opened, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    async with opened() as watched:
        await watched.run(script("long", f"echo $$ > {mark}.new; mv {mark}.new {mark}; sleep 600"))
        pid = int((await until(lambda: mark.read_text() if mark.exists() else "", within=20)).strip())

        await watched.world.post("/api/kill-switch", {"reason": "test"})

        await until(lambda: not _lives(pid))
        await until(lambda: any(kind == "agent.killAcknowledged" for _, kind in watched.heard))


async def test_given_a_script_at_work_when_the_server_stops_then_it_is_given_back_and_begun_again_by_the_next(
    opened: Opened, tmp_path: Path
) -> None:
    mark, database = tmp_path / "pid", tmp_path / "swarm.sqlite"
    wait = f"test -e {mark} && exit 0; echo $$ > {mark}.new; mv {mark}.new {mark}; sleep 600"
    async with opened(address=database) as watched:
        run_id = await watched.run(script("long", wait))
        pid = int((await until(lambda: mark.read_text() if mark.exists() else "", within=20)).strip())
    assert not _lives(pid)

    async with opened(address=database) as watched:
        await until(lambda: (run_id, "task.completed") in watched.heard)
        task_id = (await watched.stage(run_id, "long"))["taskId"]
        attempts = (await watched.world.get(f"/api/tasks/{task_id}/attempts"))["attempts"]

    assert [one["outcome"] for one in attempts] == ["released", "completed"]


@pytest.mark.parametrize(
    ("shell", "role", "allowed"),
    [
        ("admin", Role.OPERATOR, False),
        ("admin", Role.ADMIN, True),
        ("operator", Role.OPERATOR, True),
        ("off", Role.ADMIN, False),
    ],
)
async def test_given_a_workflow_with_scripts_when_somebody_starts_it_then_roles_and_the_setting_decide(
    opened: Opened, shell: str, role: Role, allowed: bool
) -> None:
    from agent_swarm.domain.errors import Denied
    from agent_swarm.protocol.rest_workflows import WorkflowRunInput

    by = Identity(kind=TokenKind.USER, token_id="t", scopes=scopes_of_role(role), owner="user:ada", role=role)
    wanted = WorkflowRunInput(workflow={"name": "w", "stages": [script("s", "true")]})
    async with opened(workflow_shell=shell) as watched:
        starting = watched.world.app.context.workflows.run(wanted, by=by)
        if allowed:
            assert (await starting).started_by == "user:ada"
        else:
            with pytest.raises(Denied, match="shell"):
                await starting


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
async def test_given_the_usual_sandbox_when_a_script_looks_around_then_it_sees_no_file_of_the_server_and_no_network(
    opened: Opened, tmp_path: Path
) -> None:
    if not (await BubblewrapProvider().probe()).usable:
        pytest.skip("bubblewrap does not work here")
    secret = tmp_path / "api-key"
    secret.write_text("key")
    look = (
        f"test ! -e {secret} || exit 3; grep -q : /proc/net/dev; grep -v lo: /proc/net/dev | grep -q : && exit 4; pwd"
    )
    async with opened(workflow_sandbox="bubblewrap") as watched:
        run = await watched.ended(await watched.run(script("look", look)))

        assert run["status"] == "completed", run


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
