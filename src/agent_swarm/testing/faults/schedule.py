"""A schedule, made up from a seed: what people file and want, and what goes wrong meanwhile. Pure."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from agent_swarm.faults import Point
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.faults.proxy import Fault
from agent_swarm.testing.faults.puppet import Part

SERVER = "server"
# Only what an operator asks for gets there, and no schedule does: `tests/audit` and `tests/e2e/test_key_crashes.py`
# have processes die at these.
_OF_ACCOUNTS = frozenset({Point.ACCOUNT_REFRESHED, Point.ACCOUNT_KEPT})  # `tests/e2e/test_accounts.py`
_OF_KEYS = frozenset(point for point in Point if point.name.startswith("KEY"))
# Agents of schedules take no messages: `tests/e2e/test_messages.py` has workers die at these.
_OF_MESSAGES = frozenset({Point.MAILBOX_COMING, Point.MAILBOX_GIVEN})
_OF_AUDITS = frozenset({Point.NOTARY_INTRODUCED, Point.NOTARY_ARCHIVED, Point.NOTARY_DROPPING})
_OF_QUEUES = frozenset({Point.RUN_LANDED})  # `tests/e2e/test_merge_queue.py`
BY_REQUEST = _OF_ACCOUNTS | _OF_AUDITS | _OF_KEYS | _OF_MESSAGES | _OF_QUEUES
_OF_SERVERS = ("STORE", "POOL", "TRANSCRIPT", "NOTARY", "SERVER")
SERVER_POINTS = tuple(point for point in Point if point.name.startswith(_OF_SERVERS) and point not in BY_REQUEST)
WORKER_POINTS = tuple(point for point in Point if point not in {*SERVER_POINTS, *BY_REQUEST, Point.SCHEMA_CREATING})


class Blow(Enum):
    """What happens to a process."""

    KILL = "killed, and started again after a while"
    LEAVE = "told to end, and started again after a while"
    STOP = "stopped, and told to go on after a while"
    CUT_OFF = "all connections are reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A blow, at an instant and for a while, in leases."""

    at: float
    whom: str
    blow: Blow
    span: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Somebody wants something of the task with this number, or files one more; `at` is in leases."""

    at: float
    verb: str  # cancel, pause, resume, file
    task: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Everything that is decided in advance. `crashes` are by process, one for each of its starts."""

    seed: int
    workers: tuple[str, ...]
    slots: int
    tasks: tuple[Mapping[str, Any], ...]
    orders: tuple[Order, ...]
    hits: tuple[Hit, ...]
    crashes: Mapping[str, tuple[Crash | None, ...]]
    odds: Mapping[Fault, float]
    with_children: bool = False


def schedule_of(seed: int, *, with_children: bool = False) -> Schedule:
    """The same schedule for the same seed, always; its agents are puppets, or processes of their own."""
    dice = random.Random(seed)
    workers = tuple(f"worker-{number}" for number in range(dice.choice((2, 2, 2, 2, 3))))
    tasks = _tasks(dice, with_children=with_children)
    kinds = dice.sample(
        ("server crash", "worker crash", "server hit", "worker hit", "network"), dice.choice((1, 1, 2, 2, 3))
    )
    crashes: dict[str, tuple[Crash | None, ...]] = {}
    hits: list[Hit] = []
    odds: dict[Fault, float] = {}
    for kind in kinds:
        match kind:
            case "server crash":
                crashes[SERVER] = tuple(_crash(dice, SERVER_POINTS) for _ in range(dice.choice((1, 1, 2))))
            case "worker crash":
                for worker in dice.sample(workers, dice.choice((1, 1, 2))):
                    crashes[worker] = tuple(_crash(dice, WORKER_POINTS) for _ in range(dice.choice((1, 2))))
            case "server hit":
                hits.append(_hit(dice, SERVER))
            case "worker hit":
                hits += [_hit(dice, worker) for worker in dice.sample(workers, dice.choice((1, 1, 2)))]
            case "network":
                odds = {fault: dice.choice((0.0, 0.01, 0.03)) for fault in Fault}
                hits += [Hit(at=dice.uniform(0.1, 0.8), whom=SERVER, blow=Blow.CUT_OFF, span=0.0)] * dice.choice((0, 1))
    return Schedule(
        seed=seed,
        workers=workers,
        slots=dice.choice((1, 2)),
        tasks=tasks,
        orders=_orders(dice, len(tasks)),
        hits=tuple(hits),
        crashes=crashes,
        odds=odds,
        with_children=with_children,
    )


def _tasks(dice: random.Random, *, with_children: bool) -> tuple[Mapping[str, Any], ...]:
    """A graph of a few tasks; each may wait for some before it."""
    tasks = []
    for number in range(dice.randint(3, 6)):
        part = Part(steps=dice.randint(0, 6), pause=dice.choice((0.0, 0.005, 0.05)), fails=dice.choice((0, 0, 0, 1, 2)))
        earlier = [f"t{before}" for before in range(number)]
        waits_for = dice.sample(earlier, min(len(earlier), dice.choice((0, 0, 1, 1, 2))))
        on_failure = dice.choice(("fail", "skip", "wait"))
        tasks.append(
            {
                "ref": f"t{number}",
                "title": f"t{number}",
                "harness": "shell" if with_children else "noop",
                "prompt": part.script() if with_children else part.prompt(),
                "maxAttempts": dice.choice((1, 2, 3, 3)),
                "priority": dice.choice((20, 50, 80)),
                "dependsOn": [{"task": ref, "onFailure": on_failure} for ref in waits_for],
            }
        )
    return tuple(tasks)


def _orders(dice: random.Random, tasks: int) -> tuple[Order, ...]:
    verbs = dice.sample(("cancel", "pause", "resume", "file", "file"), dice.choice((0, 1, 2, 3)))
    return tuple(Order(at=dice.uniform(0.02, 0.6), verb=verb, task=dice.randrange(tasks)) for verb in verbs)


def _crash(dice: random.Random, points: tuple[Point, ...]) -> Crash:
    return Crash(point=dice.choice(points), nth=dice.choice((1, 1, 2, 3, 5, 8)), stands_still=dice.random() < 0.2)


def _hit(dice: random.Random, whom: str) -> Hit:
    blow = dice.choice((Blow.KILL, Blow.STOP, Blow.LEAVE))
    longest = 1.4 if blow is Blow.STOP else 0.4
    return Hit(at=dice.uniform(0.05, 0.6), whom=whom, blow=blow, span=dice.uniform(0.05, longest))
