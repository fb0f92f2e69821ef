"""Operations that are written down before they begin, so that a command that dies in the middle leaves no riddle.

An operation runs under the lock of its VM. Where the lock is free and the operation has not ended, its command is dead,
and the next one that takes the lock finishes it or takes it back (`repair`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent_swarm.vm.names import VmRef

if TYPE_CHECKING:
    from agent_swarm.vm.host import VmHost
    from agent_swarm.vm.registry import Registry


class OperationKind(StrEnum):
    """What is done to a VM in more than one step."""

    CREATE = "create"
    DELETE = "delete"
    SEAL = "seal"  # a project's disk becomes a generation
    CHECKPOINT = "checkpoint"
    RESTORE = "restore"


class Step(StrEnum):
    """What has just been done. Tests kill a command at each of them."""

    BEGUN = "begun"
    FOLDER_MADE = "folderMade"
    LAYER_MADE = "layerMade"
    STARTED = "started"
    GREETED = "greeted"
    STOPPED = "stopped"
    LAYER_MOVED = "layerMoved"
    LAYER_SEALED = "layerSealed"
    FILES_REMOVED = "filesRemoved"
    RECORDED = "recorded"


Reached = Callable[[Step], None]


def go_on(_: Step) -> None:
    """What happens at each step outside of tests: nothing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """An operation under way."""

    host: "VmHost"
    registry: "Registry"
    number: int

    def reached(self, step: Step) -> None:
        """Write down how far it is."""
        self.registry.advance(self.number, step)
        self.host.reached(step)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """What is written to the registry within counts together with the operation's end."""
        with self.registry.ending(self.number):
            yield
        self.host.reached(Step.RECORDED)


@contextmanager
def operation(
    host: "VmHost", registry: "Registry", kind: OperationKind, ref: VmRef, **details: Any
) -> Iterator[Progress]:
    """An operation, written down; whoever runs it ends it with `ending`. Where it fails it is put right at once."""
    from agent_swarm.vm.repair import repair

    progress = Progress(host, registry, registry.begin(kind, ref, Step.BEGUN, details))
    host.reached(Step.BEGUN)
    try:
        yield progress
    except BaseException:
        repair(host, registry, ref)
        raise
