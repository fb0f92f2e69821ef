"""What the kill switch does in a batch.

Activation ends every attempt that the switch covers, in the same transaction that turns it on, and ends the tokens:
all of them by the epoch, those of one agent by revoking them. No other batch is under way meanwhile (`postgres`), so no
claim is committed after it that did not see it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain import kill_switch
from agent_swarm.domain.commands import Command, Kill, Resume
from agent_swarm.domain.errors import NotFound
from agent_swarm.domain.kill_switch import Switch, SwitchScope
from agent_swarm.domain.tasks import PauseReason
from agent_swarm.store import events
from agent_swarm.store import operations as ops
from agent_swarm.store.events import Draft
from agent_swarm.store.records import TokenKind
from agent_swarm.store.rows import Entry, Rows


@dataclass(frozen=True, slots=True)
class Killing:
    """The switch operations of one batch; `decide` carries a command out, `say` drafts an event."""

    rows: Rows
    now: int
    decide: Callable[[Command, str, Mapping[str, Any]], None]
    say: Callable[[Draft], None]

    def activate(self, op: ops.ActivateKillSwitch) -> ops.SwitchReply:
        """Turn a switch on, and end what it covers. Raises NotFound for an agent that nobody knows."""
        if op.scope is SwitchScope.AGENT and self._agent(op.scope_id) is None:
            raise NotFound(f"no agent has the id {op.scope_id!r}", hint="list agents with: agent-swarm agent list")
        before = self._switch(op)
        after = kill_switch.activate(before, op.asked, now=self.now)
        if after is None:
            return ops.SwitchReply(switch=before, repeated=True)
        if before.is_killed:  # one more thing holds it down
            self.rows.put_switch(after)
            return ops.SwitchReply(switch=after, repeated=True)
        self._end_tokens(after)
        ends = self._covered(after)
        after = replace(
            after,
            attempts=len(ends),
            awaited=dict(sorted(Counter(str(entry.state.agent_id) for entry in ends).items())),
            paused=tuple(entry.state.id for entry in ends),
        )
        self.rows.put_switch(after)
        self.say(events.switch_activated(after, op.asked))
        for entry in ends:
            self.decide(Kill(task_id=entry.state.id), op.asked.by, {"activation": after.id})
        return ops.SwitchReply(switch=after)

    def lift(self, op: ops.LiftKillSwitch) -> ops.SwitchReply:
        """Turn a switch off; with `resume` also have the tasks go on that it paused, now or earlier."""
        before = self._switch(op)
        after = kill_switch.lift(before, by=op.by, source=op.source, now=self.now)
        switch = before if after is None else after
        resumed = self._resume(switch, op.by) if op.resume and not switch.is_killed else 0
        if after is None:
            return ops.SwitchReply(switch=before, repeated=True, resumed=resumed)
        self.rows.put_switch(after)
        if before.is_killed and not after.is_killed:
            self.say(events.switch_lifted(after, source=op.source, resumed=resumed))
        return ops.SwitchReply(switch=after, repeated=before.status is after.status, resumed=resumed)

    def acknowledge(self, op: ops.AcknowledgeKill) -> bool:
        """An agent has confirmed that nothing of its runs is left."""
        for key in ((SwitchScope.ALL, ""), (SwitchScope.AGENT, op.agent_id)):
            switch = self.rows.switch(*key)
            heard = None if switch is None else kill_switch.acknowledged(switch, op.activation, op.agent_id)
            if heard is not None:
                self.rows.put_switch(heard)
                self.say(events.kill_acknowledged(op))
                return True
        return False

    def _switch(self, op: ops.SwitchOperation) -> Switch:
        return self.rows.switch(op.scope, op.scope_id) or Switch(scope=op.scope, scope_id=op.scope_id)

    def _agent(self, agent_id: str) -> Any:
        self.rows.prefetch(agents=[agent_id])
        return self.rows.agent(agent_id)

    def _end_tokens(self, switch: Switch) -> None:
        if switch.scope is SwitchScope.ALL:
            self.rows.raise_epoch()
        else:  # those of its attempts end with them
            self.rows.revoke_tokens(self.now, kind=TokenKind.AGENT, agent_id=switch.scope_id)

    def _covered(self, switch: Switch) -> Sequence[Entry]:
        held = self.rows.held() if switch.scope is SwitchScope.ALL else self.rows.held_by(switch.scope_id)
        self.rows.prefetch(tasks=held)
        found = [entry for task_id in held if (entry := self.rows.entry(task_id)) is not None]
        return [entry for entry in found if entry.state.is_held and switch.covers(str(entry.state.agent_id))]

    def _resume(self, switch: Switch, by: str) -> int:
        self.rows.prefetch(tasks=switch.paused)
        found = [entry for task_id in switch.paused if (entry := self.rows.entry(task_id)) is not None]
        waiting = [entry.state.id for entry in found if entry.state.pause_reason is PauseReason.KILL]
        for task_id in waiting:
            self.decide(Resume(task_id=task_id), by, {})
        return len(waiting)
