"""The kill switch is used (rule T6).

Activation ends every attempt that the switch covers, in the same transaction that turns it on, and ends the tokens:
all of them by the epoch, those of one agent by revoking them. No other batch is under way meanwhile, so no claim is
committed after it that did not see it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from agent_swarm.domain import kill_switch
from agent_swarm.domain.commands import ConfirmKill, Kill, Resume
from agent_swarm.domain.kill_switch import Switch, SwitchScope
from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.store import events, refusals
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.swarms import unknown_swarm_in
from agent_swarm.store.families.switches import SWITCHES
from agent_swarm.store.records import TokenKind
from agent_swarm.store.rows import Entry

SWARM_SWITCHES = 10_000  # that were ever used: one per swarm


def activate(work: Work, op: ops.ActivateKillSwitch) -> ops.SwitchReply:
    """Turn a switch on, and end what it covers. Raises UnknownReference for an agent or a swarm that is not there."""
    _require_there(work, op)
    before = _switch(work, op)
    after = kill_switch.activate(before, op.asked, now=work.now)
    if after is None:
        return ops.SwitchReply(switch=before, repeated=True)
    if before.is_killed:  # one more thing holds it down
        work.put(SWITCHES, after)
        return ops.SwitchReply(switch=after, repeated=True)
    _end_tokens(work, after)
    ends = _covered(work, after)
    after = replace(
        after,
        attempts=len(ends),
        awaited=dict(sorted(Counter(str(entry.state.agent_id) for entry in ends).items())),
        paused=tuple(entry.state.id for entry in ends),
    )
    work.put(SWITCHES, after)
    work.say(events.switch_activated(after, op.asked))
    for entry in ends:
        work.decide(Kill(task_id=entry.state.id), actor=op.asked.by, note={"activation": after.id})
    return ops.SwitchReply(switch=after)


def _require_there(work: Work, op: ops.SwitchOperation) -> None:
    if op.scope is SwitchScope.AGENT:
        work.rows.prefetch(agents=[op.scope_id])
        if work.rows.agent(op.scope_id) is None:
            raise refusals.unknown_reference("id", "agent", op.scope_id)
    if op.scope is SwitchScope.SWARM:
        swarm = work.rows.swarm(op.scope_id)
        if swarm is None or not swarm.is_there:
            raise unknown_swarm_in("id", op.scope_id)


def lift(work: Work, op: ops.LiftKillSwitch) -> ops.SwitchReply:
    """Turn a switch off; with `resume` also have the tasks go on that it paused, now or earlier."""
    before = _switch(work, op)
    after = kill_switch.lift(before, by=op.by, source=op.source, now=work.now)
    switch = before if after is None else after
    is_lifted = before.is_killed and not switch.is_killed
    if after is not None:
        work.put(SWITCHES, after)
    resuming = _paused_by(work, switch) if op.resume and not switch.is_killed else ()
    if is_lifted:
        work.say(events.switch_lifted(switch, source=op.source, resumed=len(resuming)))
    for task_id in resuming:
        work.decide(Resume(task_id=task_id), actor=op.by)
    return ops.SwitchReply(switch=switch, repeated=not is_lifted, resumed=len(resuming))


def acknowledge(work: Work, op: ops.AcknowledgeKill) -> bool:
    """An agent has confirmed that nothing of its runs is left."""
    own = (work.get(SWITCHES, *key) for key in ((SwitchScope.ALL, ""), (SwitchScope.AGENT, op.agent_id)))
    for switch in (*own, *work.scan(SWITCHES, SwitchScope.SWARM, limit=SWARM_SWITCHES)):
        heard = None if switch is None else kill_switch.acknowledged(switch, op.activation, op.agent_id)
        if heard is not None:
            work.put(SWITCHES, heard)
            work.say(events.kill_acknowledged(op))
            work.rows.prefetch(tasks=heard.paused)
            mine = [one for one in heard.paused if work.must(one).state.preferred_agent == op.agent_id]
            for task_id in mine:
                work.decide(ConfirmKill(task_id=task_id, agent_id=op.agent_id), actor=events.of_agent(op.agent_id))
            return True
    return False


def _switch(work: Work, op: ops.SwitchOperation) -> Switch:
    return work.get(SWITCHES, op.scope, op.scope_id) or Switch(scope=op.scope, scope_id=op.scope_id)


def _end_tokens(work: Work, switch: Switch) -> None:
    """Those of attempts end with them."""
    match switch.scope:
        case SwitchScope.ALL:
            work.rows.raise_epoch()
        case SwitchScope.SWARM:
            for agent_id in work.rows.agents_in(switch.scope_id):
                work.rows.revoke_tokens(work.now, kind=TokenKind.AGENT, agent_id=agent_id)
        case SwitchScope.AGENT:
            work.rows.revoke_tokens(work.now, kind=TokenKind.AGENT, agent_id=switch.scope_id)


def _covered(work: Work, switch: Switch) -> Sequence[Entry]:
    """The attempts to end: who is under it, and what is done for a swarm that is."""
    held = work.rows.held_by(switch.scope_id) if switch.scope is SwitchScope.AGENT else work.rows.held()
    work.rows.prefetch(tasks=held)
    found = [entry for task_id in held if (entry := work.must(task_id)).state.is_held]
    if switch.scope is not SwitchScope.SWARM:
        return [entry for entry in found if switch.covers(str(entry.state.agent_id))]
    members = frozenset(work.rows.agents_in(switch.scope_id))
    return [entry for entry in found if entry.state.agent_id in members or work.swarm_of(entry) == switch.scope_id]


def _paused_by(work: Work, switch: Switch) -> Sequence[str]:
    """Of the tasks that its latest activation paused, those that nobody has decided about since."""
    work.rows.prefetch(tasks=switch.paused)
    states = [work.must(task_id).state for task_id in switch.paused]
    return [state.id for state in states if (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.KILL)]
