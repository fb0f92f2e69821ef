"""What a worker says of a check of a merge queue: a verdict wherever there is one, whatever the check's exit code.

A check that fails has done its work, so its attempt ends well. Only what is no verdict fails it: a lost worker, a
repository that is away. Pure.
"""

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.merge_queue import Said, Verdict
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Outcome
from agent_swarm.worker.stops import Ending, Whereabouts, complete
from agent_swarm.worker.workspace import Landed, Workspace
from agent_swarm.worker.workspace.errors import DependencyMissing, MergeConflict

ALREADY = Outcome(ok=True, result="all of it is on the branch already")


def is_verdict(outcome: Outcome) -> bool:
    """Whether the check itself has said no, rather than something around it."""
    return not outcome.ok and outcome.failure is FailureClass.AGENT and outcome.failure_code != "interrupted"


def passed(outcome: Outcome, landed: Landed, branch: str) -> Ending:
    """The check passed, and what was checked is on the branch, unless that had moved."""
    if not landed.is_there:
        return _told(Verdict(said=Said.MOVED, base=landed.origin), "the branch moved while the check ran")
    where = Whereabouts(branch=branch, commit=landed.commit)
    return _told(Verdict(said=Said.LANDED, base=landed.origin, commit=landed.commit), outcome.result, where)


def failed(outcome: Outcome, workspace: Workspace) -> Ending:
    """The check failed."""
    text = "\n".join(filter(None, (outcome.result, outcome.message)))
    return _told(Verdict(said=Said.FAILED, base=workspace.origin or ""), text)


def timed_out(workspace: Workspace, seconds: float | None) -> Ending:
    """The check was not done in time."""
    text = f"the check was not done after {seconds:g} s" if seconds is not None else "the check was not done in time"
    return _told(Verdict(said=Said.FAILED, base=workspace.origin or ""), text)


def unmergeable(error: SwarmError) -> Ending | None:
    """A result could not be merged after those before it, or is not there; None for another trouble."""
    if not isinstance(error, MergeConflict | DependencyMissing):
        return None
    task_id = str(error.details.get("taskId", ""))
    return _told(Verdict(said=Said.CONFLICT, base=error.origin, task_id=task_id), error.message)


def _told(verdict: Verdict, text: str, where: Whereabouts | None = None) -> Ending:
    return complete(Outcome(ok=True, result=text, data=verdict.data()), where or Whereabouts())
