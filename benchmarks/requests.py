"""Requests beside a bare ASGI echo on the same server library, in one run: what identity, rules and the store cost."""

from contextlib import ExitStack

from benchmarks import load, workplace
from benchmarks.figures import median
from benchmarks.load.posts import Posts
from benchmarks.report import Row, row
from benchmarks.scale import Scale
from benchmarks.server import Server, agent_swarm, echo

CLIENTS = 64
TASK = {"prompt": "Do what has to be done, then say so.", "title": "a task"}


def measure(scale: Scale) -> list[Row]:
    """Rates and processor time of a task filed, a task read and `/health`, each ÷ the echo's."""
    with ExitStack() as stack:
        folder = stack.enter_context(workplace.folder())
        ours = stack.enter_context(agent_swarm(folder / "ours"))
        bare = stack.enter_context(echo(folder / "echo"))
        asked = {
            "an echo": _posts(bare, "/", scale),
            "GET /health": _posts(ours, "/health", scale, body=False),
            "GET /api/tasks?limit=1": _posts(ours, "/api/tasks?limit=1", scale, body=False),
            "POST /api/tasks": _posts(ours, "/api/tasks", scale),
        }
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(scale.of(3, 1)):
            for name, scenario in asked.items():
                found.setdefault(name, []).append(load.run(scenario))
    rates = {name: median([once["perSecond"] for once in rounds]) for name, rounds in found.items()}
    cpu = {name: median([once["cpuMicros"] for once in rounds]) for name, rounds in found.items()}
    return [
        line
        for name in asked
        for line in (
            row(f"requests, 64 clients, {name}", rates[name], "/s", ratio=rates[name] / rates["an echo"]),
            row(
                f"requests, {name}: server CPU each (ratio: ÷ echo)", cpu[name], "µs", ratio=cpu[name] / cpu["an echo"]
            ),
        )
    ]


def _posts(server: Server, path: str, scale: Scale, *, body: bool = True) -> Posts:
    return Posts(
        port=server.port,
        key=server.key,
        pid=server.pid,
        path=path,
        body=TASK if body else None,
        clients=CLIENTS,
        seconds=scale.of(2.0, 0.5),
    )
