"""What a worker tells of the attempts it holds (rule T3)."""

from dataclasses import replace

from agent_swarm.domain.attachments import PER_ATTEMPT, require_attachment
from agent_swarm.domain.errors import Conflict
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.domain.transitions import require_lease
from agent_swarm.domain.values import changed
from agent_swarm.store import events, refusals
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.attachments import ATTACHMENT_CONTENTS, ATTACHMENTS, Attachment, AttachmentContent
from agent_swarm.store.families.stated_outcomes import STATED_OUTCOMES


def heartbeat(work: Work, op: ops.Heartbeat) -> tuple[ops.LeaseVerdict, ...]:
    """Renew the leases of a process (rule T3: those it still holds)."""
    work.current_instance(op.agent_id, op.instance_id)
    work.rows.seen(op.agent_id, work.now)
    return tuple(_renew(work, op, held) for held in op.leases)


def _renew(work: Work, op: ops.Heartbeat, held: ops.Held) -> ops.LeaseVerdict:
    entry = work.rows.entry(held.task_id)
    if entry is None:
        return ops.LeaseVerdict(task_id=held.task_id, fence=held.fence, renewed=False)
    state = entry.state
    mine = (held.fence, op.agent_id, op.instance_id) == (state.fence, state.agent_id, state.instance_id)
    if state.is_held and mine:
        work.save(entry, changed(state, lease_expires_at=work.now + op.lease))
        wants = "pause" if state.pause_wanted is not None else ""
    else:
        wants = "cancel" if state.status is TaskStatus.CANCELLED else ""
    return ops.LeaseVerdict(
        task_id=state.id,
        fence=held.fence,
        renewed=state.is_held and mine,
        wants=wants,
        current_fence=state.fence,
    )


def report_progress(work: Work, op: ops.ReportProgress) -> ops.CommandReply:
    """Set the progress text of a running attempt; no status changes."""
    entry = work.must(op.task_id)
    require_lease(entry.state, op.fence, "report progress of")
    entry.columns |= {"progress": op.text, "updated_at": work.now}
    work.rows.save(entry)
    work.tell(entry, events.progressed(op, entry.state))
    return ops.CommandReply(state=entry.state)


def state_outcome(work: Work, op: ops.StateOutcome) -> ops.CommandReply:
    """Keep the first word of a running attempt's agent about its outcome (rule T5)."""
    outcome = op.outcome
    entry = work.must(outcome.task_id)
    state = entry.state
    require_lease(state, outcome.fence, "state the outcome of")
    known = work.get(STATED_OUTCOMES, outcome.task_id)
    if known is not None and known.fence == outcome.fence:
        if known.digest != outcome.digest:
            raise refusals.another_outcome(outcome.task_id, outcome.fence)
        return ops.CommandReply(state=state, repeated=True)
    work.put(STATED_OUTCOMES, replace(outcome, stated_at=work.now))
    work.tell(entry, events.outcome_stated(op, state))
    return ops.CommandReply(state=state)


def store_attachment(work: Work, op: ops.StoreAttachment) -> Attachment:
    """Keep a file of a running attempt (rule T3)."""
    sent = op.attachment
    require_attachment(sent.name, sent.media_type, sent.size)
    entry = work.must(sent.task_id)
    state = entry.state
    require_lease(state, op.fence, "attach files to")
    attachment = replace(sent, rank=-state.attempt, stored_at=work.now)
    kept = {one.name: one for one in work.scan(ATTACHMENTS, sent.task_id, attachment.rank, limit=PER_ATTEMPT)}
    earlier = kept.get(sent.name)
    if earlier is not None and (earlier.sha256, earlier.media_type) == (sent.sha256, sent.media_type):
        return earlier
    if earlier is None and len(kept) >= PER_ATTEMPT:
        raise Conflict(
            f"the attempt has {len(kept)} attachments, at most {PER_ATTEMPT} are taken",
            hint="put several things into one, or take the name of one that is not needed any more",
            details={"limit": PER_ATTEMPT},
        )
    work.put(ATTACHMENTS, attachment)
    kept_as = AttachmentContent(task_id=sent.task_id, rank=attachment.rank, name=sent.name, content=op.content)
    work.put(ATTACHMENT_CONTENTS, kept_as)
    work.tell(entry, events.attached(op, state, is_new=earlier is None))
    return attachment


def book_usage(work: Work, op: ops.BookUsage) -> bool:
    """Book money and tokens once, whatever became of the lease."""
    agent_id = work.rows.has_attempt(op.task_id, op.attempt)
    if agent_id is None:
        raise refusals.unknown_attempt(op.task_id, op.attempt)
    if not work.rows.add_usage(op, work.now):
        return False
    work.ledger.note_usage(op, agent_id)
    work.drafts.append(events.usage_booked(op, agent_id))
    return True
