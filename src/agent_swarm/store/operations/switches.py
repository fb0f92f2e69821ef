"""Operations on the kill switch."""

from dataclasses import dataclass

from agent_swarm.domain.kill_switch import REQUEST, Activation, Switch, SwitchScope
from agent_swarm.store.operations.base import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An attempt a worker says it holds."""

    task_id: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchReply:
    """Answer of what uses the kill switch; `repeated` where it was so already, `resumed` how many tasks go on."""

    switch: Switch
    repeated: bool = False
    resumed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOperation(Operation[SwitchReply]):
    """Something about one switch; no other batch is under way while it is applied."""

    scope: SwitchScope
    scope_id: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return ("killSwitch",)

    @property
    def is_urgent(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateKillSwitch(SwitchOperation):
    """End every attempt that the switch covers, its tokens with it, and let nothing be claimed until it is lifted."""

    asked: Activation


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftKillSwitch(SwitchOperation):
    """Let work go on; with `resume` also the tasks that the latest activation paused and nobody has decided about."""

    by: str
    source: str = REQUEST
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeKill(Operation[bool]):
    """A worker has ended everything that ran; answers whether somebody waited for that."""

    activation: str
    agent_id: str
    runs: int

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"killSwitch:{self.agent_id}",)
