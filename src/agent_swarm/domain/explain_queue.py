"""Why the result of a task that is completed is not on the branch of its project. Pure."""

from agent_swarm.domain.explanation import Explanation, Queued, Reason
from agent_swarm.domain.merge_queue import EntryStatus, QueueStatus


def completed(summary: str, queued: Queued | None) -> Explanation:
    """That a task is completed, and what its result waits for in a merge queue, if it is in one."""
    if queued is None:
        return Explanation(summary)
    match queued.status:
        case EntryStatus.LANDED:
            return Explanation(f"{summary}; its result is on the branch of {queued.project}")
        case EntryStatus.DROPPED:
            return Explanation(f"{summary}; its result was taken out of the merge queue of {queued.project}")
        case EntryStatus.RETURNED:
            reason = _returned(queued)
        case EntryStatus.WAITING:
            reason = _waiting(queued)
    return Explanation(f"{summary}; {reason.message}", (reason,))


def _returned(queued: Queued) -> Reason:
    why = "it could not be merged" if queued.code == "conflict" else "it did not pass the check"
    again = f"the result of task {queued.followup_id}, which asks for the work once more"
    return Reason(
        "queueReturned",
        f"its result came back from the merge queue of {queued.project}: {why}",
        again if queued.followup_id else "a person: put it right, and queue it again with agent-swarm queue add",
        {"checkTaskId": queued.check_id, "followUpId": queued.followup_id, "code": queued.code},
    )


def _waiting(queued: Queued) -> Reason:
    details = {"project": queued.project, "position": queued.position, "checkTaskId": queued.check_id}
    if queued.check_id is not None:
        return Reason(
            "queueChecking",
            f"its result is checked in the merge queue of {queued.project}",
            f"the end of that check: agent-swarm task explain {queued.check_id}",
            details,
        )
    if queued.queue is not QueueStatus.ACTIVE:
        stands = f"halted: {queued.halted}" if queued.queue is QueueStatus.HALTED else "off"
        return Reason(
            "queueHalted" if queued.queue is QueueStatus.HALTED else "queueOff",
            f"its result waits in the merge queue of {queued.project}, which is {stands}",
            f"a person has to let it go on: agent-swarm queue set {queued.project}",
            details,
        )
    place = f" at place {queued.position}" if queued.position is not None else ""
    return Reason(
        "queueWaiting",
        f"its result waits in the merge queue of {queued.project}{place}",
        f"the results before it; see: agent-swarm queue ls {queued.project}",
        details,
    )
