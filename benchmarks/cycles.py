"""Life cycles over the network: create, claim, progress, finish, each durable, 200 workers; ours against the prototype.

The servers stand beside each other and are driven in turn by the same load: ours on SQLite and on PostgreSQL, and the
prototype. Ours also takes `start`, which its rules ask for between claim and finish.
"""

from contextlib import ExitStack

from agent_swarm.testing import postgres
from benchmarks import load, workplace
from benchmarks.figures import median
from benchmarks.load.cycles import Cycles
from benchmarks.report import Row, at_least, row
from benchmarks.scale import Scale
from benchmarks.server import Server, agent_swarm, prototype

SHAPES = {"one POST per task": (64, 1, 2000.0), "creates in batches of 20": (8, 20, 5000.0)}  # creators, batch, bound
ON_POSTGRES = at_least(1500)


def measure(scale: Scale) -> list[Row]:
    """Rates, processor time per life cycle, and the ratio of the two servers."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(workplace.folder())
        servers = {
            "ours": stack.enter_context(agent_swarm(folder / "ours")),
            "prototype": stack.enter_context(prototype(folder / "prototype")),
        }
        if postgres.binaries() is not None:
            url = stack.enter_context(postgres.database(stack.enter_context(postgres.server(durable=True))))
            servers["PostgreSQL"] = stack.enter_context(agent_swarm(folder / "postgres", database=url))
        for _ in range(scale.of(3, 1)):
            for shape in SHAPES:
                for name, server in servers.items():
                    once = load.run(_scenario(server, shape, scale, starts=name != "prototype"))
                    assert not once["refused"], once["refused"]
                    found.setdefault((shape, name), []).append(once)
    return [line for shape in SHAPES for line in _rows(shape, found)]


def _scenario(server: Server, shape: str, scale: Scale, *, starts: bool) -> Cycles:
    creators, batch, _ = SHAPES[shape]
    return Cycles(
        port=server.port,
        key=server.key,
        pid=server.pid,
        seconds=scale.of(3.0, 1.5),
        workers=scale.of(200, 50),
        creators=creators,
        batch=batch,
        starts=starts,
    )


def _rows(shape: str, found: dict[tuple[str, str], list[dict[str, float]]]) -> list[Row]:
    ours, bare = found[shape, "ours"], found[shape, "prototype"]
    rates = [median([once["perSecond"] for once in rounds]) for rounds in (ours, bare)]
    cpu = [median([once["cpuMicros"] for once in rounds]) for rounds in (ours, bare)]
    share = median([mine["perSecond"] / theirs["perSecond"] for mine, theirs in zip(ours, bare, strict=True)])
    name = f"life cycles over the network, {shape}"
    return [
        row(name, rates[0], "/s", at_least(SHAPES[shape][2]), ratio=share),
        row(f"{name}: ÷ prototype", share, "×", at_least(0.5)),
        *_on_postgres(name, found.get((shape, "PostgreSQL"), [])),
        row(f"{name}: prototype", rates[1], "/s"),
        row(f"{name}: server CPU each (ratio: ÷ prototype)", cpu[0], "µs", ratio=cpu[0] / cpu[1]),
    ]


def _on_postgres(name: str, rounds: list[dict[str, float]]) -> list[Row]:
    if not rounds:
        return []
    rate = median([once["perSecond"] for once in rounds])
    cpu = median([once["cpuMicros"] for once in rounds])
    return [
        row(f"{name}, PostgreSQL", rate, "/s", ON_POSTGRES if "POST" in name else None),
        row(f"{name}, PostgreSQL: server CPU each, without the database's", cpu, "µs"),
    ]
