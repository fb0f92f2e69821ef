"""Every route of the Swarm plugin answers as its golden file says, over HTTP, on every store."""

from pathlib import Path

import pytest
from starlette.routing import Route
from tests.server.plugin.golden import FILES, Story, steps_of
from tests.server.world import World, served

from agent_swarm.server.routes import plugin

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_given_a_golden_file_when_its_requests_are_sent_then_the_answers_are_those_of_the_file(
    world_on_every_store: World, file: Path
) -> None:
    steps = steps_of(file)
    async with served(world_on_every_store) as live:
        story = Story(live)
        for step in steps:
            assert await story.told(step) == step


async def test_given_the_routes_of_the_plugin_when_the_golden_files_are_counted_then_each_has_one(
    world: World,
) -> None:
    routes = [route for route in plugin.routes(world.app.context) if isinstance(route, Route)]
    named = {f"{method} {route.path}" for route in routes for method in (route.methods or set()) - {"HEAD"}}

    assert {file_name(name) for name in named} <= {file.stem for file in FILES}


def file_name(route: str) -> str:
    """`GET /swarms/{idOrName}/tasks` as get-swarms-id-tasks."""
    words = route.replace("{idOrName}", "id").replace("{taskId}", "id").replace("{sandboxId}", "id").split("/")
    return "-".join(word.strip().lower() for word in words)
