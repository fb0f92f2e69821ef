"""The kill switch with several servers on one database: used at one of them, it holds at all of them."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server.pool.house import within
from tests.server.test_nodes import (
    Server,
    no_sweeps,
    postgres_server,
    settings,
    stack,
    started,
    two,
)

from agent_swarm.domain.matching import AgentProfile
from agent_swarm.protocol.pool import CLOSE_UNAUTHENTICATED
from agent_swarm.server.settings import ServerSettings
from agent_swarm.testing.waiting import until

__all__ = ["no_sweeps", "postgres_server", "settings", "stack", "two"]  # fixtures
pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PATH = "/api/kill-switch"
ANYBODY = AgentProfile(id="anybody")


async def test_given_a_worker_at_one_server_when_the_switch_is_used_at_another_then_it_is_told_and_nothing_is_claimed(
    two: tuple[Server, Server],
) -> None:
    one, other = two
    worker = await other.register()
    peer = await other.connect(worker)
    [first] = await peer.credit()
    task = await one.file()
    claim = await peer.run()
    await peer.credit()

    told = await one.answer("POST", PATH, {"reason": "they deploy"})

    order = await within(peer.kills.get())
    assert (order.activation, order.reason) == (told["switches"][0]["activation"], "they deploy")
    assert (claim.task_id, claim.claim_id) == (task, first)
    assert await one.status(task) == "paused"
    refused = await other.call("POST", "/api/tasks", {"prompt": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "killed")
    await peer.request("killed", activation=order.activation, runs=1)
    assert (await one.answer("GET", PATH))["switches"][0]["awaited"] == []

    await one.answer("POST", PATH, {"action": "lift"})
    assert await peer.closed() == CLOSE_UNAUTHENTICATED
    back = await one.connect(await one.register(worker))
    await back.credit()
    new = await other.file()
    assert (await back.claim()).task_id == new


async def test_given_a_killed_database_when_a_server_with_a_new_data_directory_comes_up_then_it_is_killed_as_well(
    settings: ServerSettings, stack: AsyncExitStack, tmp_path: Path
) -> None:
    async with started(settings) as one:
        await one.answer("POST", PATH, {"reason": "they deploy"})

    another = await stack.enter_async_context(started(replace(settings, data_dir=tmp_path / "new")))

    assert (await another.answer("GET", PATH))["reason"] == "they deploy"
    assert (await another.call("POST", "/api/tasks", {"prompt": "x"})).status_code == 503


async def test_given_a_flag_file_at_one_server_when_it_appears_and_goes_then_all_servers_follow(
    two: tuple[Server, Server], settings: ServerSettings
) -> None:
    one, other = two
    settings.kill_flag.write_text("by hand")

    await until(lambda: all(server.app.context.board.covering(ANYBODY) for server in two))
    assert (await one.call("POST", "/api/tasks", {"prompt": "x"})).status_code == 503
    assert (await other.answer("GET", PATH))["reason"] == "by hand"
    settings.kill_flag.unlink()
    await until(lambda: not any(server.app.context.board.covering(ANYBODY) for server in two))
    await one.file()
