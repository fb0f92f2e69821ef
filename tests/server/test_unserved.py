"""What waits for an agent that is not there shows: in events, in figures, over restarts."""

from pathlib import Path

import pytest
from tests.server import world as worlds
from tests.server.world import World

from agent_swarm.server.settings import load_settings
from agent_swarm.server.unserved import INTERVAL_SECONDS, UnservedWatch

pytestmark = pytest.mark.anyio


async def figures(world: World) -> dict[str, float]:
    page = (await world.call("GET", "/metrics")).text
    lines = [line.split() for line in page.splitlines() if "without_agent" in line and not line.startswith("#")]
    return {name.removeprefix("agent_swarm_"): float(value) for name, value in lines}


async def told(world: World) -> list[str]:
    events = await world.store.read(lambda queries: queries.events_after(0, limit=200))
    return [event.task_id or "" for event in events if event.type == "task.noEligibleAgent"]


async def test_given_tasks_without_an_agent_when_five_minutes_are_over_then_figures_count_them_without_naming_them(
    world: World,
) -> None:
    watch = UnservedWatch(world.store, minutes=5)
    first = await world.file(requires={"tags": ["gpu"]})
    await world.file(requires={"tags": ["gpu"]})
    await world.file(requires={"tags": ["tpu"]})
    assert await watch.run_once() == INTERVAL_SECONDS
    assert await figures(world) == {"tasks_without_agent": 0, "classes_without_agent": 0, "without_agent_seconds": 0}
    world.clock.advance(301)
    await watch.run_once()
    assert await figures(world) == {
        "tasks_without_agent": 3,
        "classes_without_agent": 2,
        "without_agent_seconds": 301,
    }
    assert len(await told(world)) == 2
    assert first in await told(world)
    await world.register(tags=("gpu", "tpu"))
    await watch.run_once()
    assert (await figures(world))["tasks_without_agent"] == 0


@pytest.mark.slow
async def test_given_a_wait_when_the_server_is_started_anew_then_it_goes_on(tmp_path: Path) -> None:
    database = tmp_path / "swarm.sqlite"
    async with worlds.opened(tmp_path, address=database) as world:
        await world.file(requires={"tags": ["gpu"]})
        await UnservedWatch(world.store, minutes=5).run_once()
    async with worlds.opened(tmp_path, address=database) as world:
        world.clock.advance(301)
        await UnservedWatch(world.store, minutes=5).run_once()
        assert len(await told(world)) == 1
    async with worlds.opened(tmp_path, address=database) as world:
        world.clock.advance(600)
        await UnservedWatch(world.store, minutes=5).run_once()
        assert len(await told(world)) == 1


def test_given_the_setting_when_it_is_read_then_it_is_minutes_and_within_reason() -> None:
    from agent_swarm.config import SettingError

    assert load_settings(environ={}).no_agent_minutes == 5
    assert load_settings(environ={"AGENT_SWARM_NO_AGENT_MINUTES": "0.5"}).no_agent_minutes == 0.5
    for wrong in ("-1", "soon", "nan", "1e9"):
        with pytest.raises(SettingError, match="AGENT_SWARM_NO_AGENT_MINUTES"):
            load_settings(environ={"AGENT_SWARM_NO_AGENT_MINUTES": wrong})
