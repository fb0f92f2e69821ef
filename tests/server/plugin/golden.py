"""Golden pairs of requests and responses: each file of `golden/` is a story told to a real server, pair by pair.

A file is a list of steps. `{"given": …}` has an agent's process do something; `{"request": …, "response": …}` is a call
over HTTP and its answer, whole. Ids stand as `<id1>`, `<id2>`, … and `<swarm1>`, … in the order in which they come up,
instants as `<time>`, cursors as `<cursor>`: those are the only things that are not compared word by word.

`python -m tests.server.plugin.golden` writes the responses anew, for a look at what became of them in the diff.
"""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.server.world import API_KEY, Claim, Live, opened, served

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(FOLDER.glob("*.json"))
_VARYING = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<swarm>swarm-[0-9]{10,})"
    r'|(?<="nextCursor":")(?P<cursor>[^"]+)'
    r"|(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z)"
)
_NAMED = re.compile(r"<(?:id|swarm)[0-9]+>")


@dataclass
class Names:
    """What varies from run to run, under the names that a file has for it."""

    by_value: dict[str, str] = field(default_factory=dict)

    def hidden(self, text: str) -> str:
        """The text with names in the place of what varies."""
        return _VARYING.sub(self._name, text)

    def shown(self, text: str) -> str:
        """The text with what the names stand for."""
        values = {name: value for value, name in self.by_value.items()}
        return _NAMED.sub(lambda found: values[found[0]], text)

    def _name(self, found: "re.Match[str]") -> str:
        kind, value = str(found.lastgroup), found[0]
        if kind in ("time", "cursor"):
            return f"<{kind}>"
        taken = sum(name.startswith(f"<{kind}") for name in self.by_value.values())
        return self.by_value.setdefault(value, f"<{kind}{taken + 1}>")


@dataclass
class Story:
    """One file, told to one server."""

    live: Live
    names: Names = field(default_factory=Names)
    claims: dict[str, Claim] = field(default_factory=dict)

    async def told(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """The step as it went."""
        if "given" in step:
            await self._given(**step["given"])
            return dict(step)
        asked = json.loads(self.names.shown(json.dumps(step["request"])))
        answer = await self._call(**asked)
        body = json.loads(self.names.hidden(answer.text))
        return {"request": step["request"], "response": {"status": answer.status_code, "body": body}}

    async def _call(self, method: str, path: str, body: Any = None, token: str | None = "operator") -> Any:
        headers = {"authorization": f"Bearer {API_KEY}"} if token == "operator" else {}
        if token not in (None, "operator"):
            headers = {"authorization": f"Bearer {self.claims[str(token)].token}"}
        options: dict[str, Any] = (
            {} if body is None else {"content": body if isinstance(body, str) else json.dumps(body)}
        )
        headers |= {"content-type": "application/json"} if options else {}
        return await self.live.client.request(method, f"{self.live.url}{path}", headers=headers, **options)

    async def _given(self, what: str, agent: str, **more: Any) -> None:
        world = self.live.world
        match what:
            case "registered":
                known = await world.register(agent, tags=tuple(more.get("tags", ())))
                self.names.hidden(known.id)
            case "claimed":
                found = next(one for one in world.agents.values() if one.id == self.names.shown(agent))
                record = await world.store.read(lambda queries: queries.agent(found.id))
                assert record is not None
                found = type(found)(record.profile, found.instance_id, found.token)
                self.claims[agent] = await world.take(found)
            case "completed":
                await world.complete(self.claims[agent], more.get("text", "done"))
            case _:
                raise AssertionError(what)


def steps_of(path: Path) -> list[Any]:
    """The steps of a file."""
    steps: list[Any] = json.loads(path.read_text(encoding="utf-8"))
    return steps


async def _recorded(steps: list[Any]) -> list[Any]:
    with TemporaryDirectory() as folder:
        async with opened(Path(folder)) as world, served(world) as live:
            story = Story(live)
            return [await story.told(step) for step in steps]


if __name__ == "__main__":
    for file in [FOLDER / name for name in sys.argv[1:]] or FILES:
        told = asyncio.run(_recorded(steps_of(file)))
        file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
