"""What agents file is counted in the transaction that files it, so that no cap is passed, whoever files meanwhile.

The parent, the root task and the agent are locked before anything is counted: others who file below the same ones, or
as the same agent, wait for the commit and count what it brought. An index finds what is counted, and the count stops at
the cap.
"""

from collections import Counter

from agent_swarm.domain.caps import Cap
from agent_swarm.store import operations as ops
from agent_swarm.store import refusals
from agent_swarm.store.applying.work import Work

Tally = tuple[Cap, str]


def check_caps(work: Work, op: ops.CreateTasks) -> None:
    """Refuse what would pass a cap, before any of it is filed."""
    if op.capped is None:
        return
    caps = op.capped.caps
    wanted: Counter[Tally] = Counter()
    for new in op.tasks:
        if new.spec.depth > caps.depth:
            raise refusals.cap_reached(Cap.DEPTH, caps.depth, of=new.spec.parent_id or "")
        for tally in tallies_of(new, op.actor):
            wanted[tally] += 1
            cap, of = tally
            if _counted(work, tally, caps.of(cap)) + wanted[tally] > caps.of(cap):
                raise refusals.cap_reached(cap, caps.of(cap), of=of)


def note_filed(work: Work, new: ops.NewTask) -> None:
    """Keep the counts of this batch true."""
    for tally in tallies_of(new, new.spec.created_by):
        if tally in work.tallies:
            work.tallies[tally] += 1


def tallies_of(new: ops.NewTask, actor: str) -> list[Tally]:
    """What a new task counts for. A root task counts for nothing: agents file none."""
    spec = new.spec
    if spec.parent_id is None:
        return []
    return [(Cap.CHILDREN, spec.parent_id), (Cap.TASKS_PER_ROOT, spec.root_id), (Cap.OPEN_PER_AGENT, actor)]


def _counted(work: Work, tally: Tally, limit: int) -> int:
    """How many there are; no more than `limit` are counted at first, then what this batch adds."""
    if tally not in work.tallies:
        cap, of = tally
        work.tallies[tally] = work.rows.count_tasks(cap, of, limit=limit)
    return work.tallies[tally]
