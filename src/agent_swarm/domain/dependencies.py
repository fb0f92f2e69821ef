"""Tasks that wait for tasks (rule T8).

An edge is immutable and says what an upstream that ends without success means for the dependant. Cycles can only come
about inside one batch, because an edge always points to a task that already exists or is created with it.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from agent_swarm.domain.errors import DependencyCycle
from agent_swarm.domain.tasks import TaskStatus


class OnFailure(StrEnum):
    """What an upstream that failed or was cancelled means for the dependant."""

    FAIL = "fail"
    SKIP = "skip"
    WAIT = "wait"


class Consequence(StrEnum):
    """What an edge does to its dependant once its upstream has this status."""

    OPEN = "open"
    MET = "met"
    FAIL = "fail"
    SKIP = "skip"


def consequence(policy: OnFailure, upstream: TaskStatus) -> Consequence:
    """What an edge with `policy` means while its upstream is `upstream`."""
    if upstream is TaskStatus.COMPLETED:
        return Consequence.MET
    if upstream in (TaskStatus.FAILED, TaskStatus.CANCELLED) and policy is not OnFailure.WAIT:
        return Consequence.FAIL if policy is OnFailure.FAIL else Consequence.SKIP
    return Consequence.OPEN


def in_creation_order(upstreams: Mapping[str, Sequence[str]]) -> list[str]:
    """The batch's tasks, each after the tasks of the batch it waits for; raises DependencyCycle naming a cycle.

    `upstreams` maps each task of the batch to what it waits for; names outside the batch are ignored.
    """
    order: list[str] = []
    done: set[str] = set()
    for root in upstreams:
        path: list[str] = []
        pending = [(root, False)]
        while pending:
            node, left = pending.pop()
            if left:
                path.pop()
                done.add(node)
                order.append(node)
            elif node not in done and node in upstreams:
                if node in path:
                    cycle = [*path[path.index(node) :], node]
                    raise DependencyCycle(
                        f"these tasks wait for each other: {' -> '.join(cycle)}",
                        hint="remove one of these dependencies",
                        details={"cycle": cycle},
                    )
                path.append(node)
                pending.append((node, True))
                pending.extend((upstream, False) for upstream in reversed(upstreams[node]))
    return order
