"""What a claim means for the workspace: which repository, which results, whose unfinished work. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from agent_swarm.domain.credentials import secrets_in
from agent_swarm.domain.tasks import AttemptOutcome
from agent_swarm.protocol.pool import Claimed, Dependency
from agent_swarm.protocol.pool import Project as ProjectSent
from agent_swarm.worker import workspace
from agent_swarm.worker.stops import Whereabouts
from agent_swarm.worker.workspace import DependencyResult, PreviousAttempt, Project

_INTERRUPTED = (AttemptOutcome.PAUSED, AttemptOutcome.KILLED)
_NUMBER = re.compile(r"/(\d{1,9})\Z")


@dataclass(frozen=True, slots=True)
class GoingOn:
    """Unfinished work that a new attempt takes up, and what the attempt that left it told about it."""

    attempt: int
    where: Whereabouts

    def previous(self) -> PreviousAttempt:
        """As the workspace takes it."""
        return PreviousAttempt(attempt=self.attempt, commit=self.where.commit or None)


def snapshot_name(snapshot: workspace.Snapshot, task_id: str, attempt: int) -> str:
    """What is told to the server about unfinished work; ends with the number of the attempt whose work it is."""
    return snapshot.ref or f"folder:{task_id}/{attempt}"


def going_on(claim: Claimed, agent_id: str) -> GoingOn | None:
    """The work to go on with; None where the task starts afresh.

    That is the work of an attempt that was paused or killed; or work that an attempt should have gone on with and did
    not get to, which it handed on under its old name. A conversation can be taken up only by the agent that had it.
    """
    previous = claim.previous
    if previous is None:
        return None
    named = _NUMBER.search(previous.snapshot)
    number = int(named.group(1)) if named else previous.number
    if previous.outcome not in _INTERRUPTED and number == previous.number:
        return None
    return GoingOn(
        number,
        Whereabouts(
            session=previous.session if previous.agent_id == agent_id else "",
            branch=previous.branch,
            commit=previous.commit,
            snapshot=previous.snapshot,
        ),
    )


def project_of(claim: Claimed, github_token: str) -> Project | None:
    """The repository; with the token in its address where that is on GitHub and names no credentials itself. A check
    begins at the branch that it lands on.
    """
    if claim.project is None:
        return None
    found = repository_of(claim.project, github_token)
    branch = claim.landing.branch if claim.landing is not None else ""
    return replace(found, default_branch=branch) if branch else found


def repository_of(wire: ProjectSent, github_token: str) -> Project:
    """The repository of a project, as `project_of` has it."""
    parts = urlsplit(wire.repo_url)
    url = wire.repo_url
    if github_token and parts.scheme == "https" and parts.netloc.lower() == "github.com":
        url = urlunsplit(parts._replace(netloc=f"x-access-token:{github_token}@{parts.netloc}"))
    return Project(id=wire.id, url=url, default_branch=wire.default_branch or None)


def secrets_of(claim: Claimed) -> tuple[str, ...]:
    """What of the agent's environment must show nowhere."""
    hidden = [one for one in claim.environment if one.is_secret]
    return tuple(secret for one in hidden for secret in secrets_in(one.name, one.value))


def results_of(claim: Claimed) -> tuple[DependencyResult, ...]:
    """The results to merge: those of dependencies that delivered a commit."""
    return _delivered(claim.dependencies)


def below_of(claim: Claimed) -> tuple[DependencyResult, ...]:
    """The results to have at hand: those of tasks below this one."""
    return _delivered(claim.below)


def _delivered(tasks: Iterable[Dependency]) -> tuple[DependencyResult, ...]:
    return tuple(
        DependencyResult(task_id=one.task_id, title=one.title, branch=one.branch, commit=one.commit)
        for one in tasks
        if one.branch and one.commit
    )


def dependencies_page(claim: Claimed) -> str:
    """What the tasks that this one builds on delivered, for the agent to read."""
    parts = ["# What this task builds on\n"]
    for one in claim.dependencies:
        branch = (
            f"\nBranch: `{one.branch}` at `{one.commit}`, merged into the workspace\n"
            if one.branch and one.commit
            else ""
        )
        parts.append(f"## {one.title}\n\nTask: {one.task_id}\n{branch}\n{one.text}\n")
    return "\n".join(parts)
