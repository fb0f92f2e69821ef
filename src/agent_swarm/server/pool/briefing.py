"""What a worker has to know to start: the task, and what other tasks and attempts left for it.

The rest is read for all claims of a moment together: while one reading is under way, the next claims gather. What has
to be fetched from a secret backend holds up the claim that needs it, and no other.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from agent_swarm.domain import deadlines
from agent_swarm.domain.errors import SwarmError, Unavailable
from agent_swarm.domain.merge_queue import LANDING
from agent_swarm.domain.messages import of_task
from agent_swarm.domain.permissions import Granted
from agent_swarm.domain.time import SECOND
from agent_swarm.server.pool.reports import Reports
from agent_swarm.server.pool.trays import Look, Trays, digest_of, message_body
from agent_swarm.services.approvals import answers_to
from agent_swarm.services.environments import Environments, Variable, VariablesMissing
from agent_swarm.services.followups import below_prompt, wants_schema
from agent_swarm.services.handover import context_of
from agent_swarm.services.harnesses import named
from agent_swarm.services.merge_queue.filing import returned_work
from agent_swarm.services.transcripts import Transcripts
from agent_swarm.services.waits import account_of, delivered_below
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.agent_profiles import PROFILE_VERSIONS
from agent_swarm.store.families.mail import Message
from agent_swarm.store.families.merge_queue import QUEUE_TASKS, QueueTaskKind
from agent_swarm.store.records import AttemptRecord, ClaimedTask, DependencyRecord, ProjectRecord, TaskRecord, TaskSpec

log = structlog.get_logger()

DEPENDENCY_CHARS = 500_000  # of the texts of all dependencies together: a claim is one frame
CUT = "\n[cut: read the rest with the task's own page]"


@dataclass(frozen=True, slots=True)
class Background:
    """What is told beside the task itself."""

    project: ProjectRecord | None = None
    dependencies: Sequence[DependencyRecord] = ()
    previous: AttemptRecord | None = None
    context: str = ""  # what the previous attempt's agent did
    answers: str = ""  # what became of what the task asked people, and of the tasks below it
    below: Sequence[TaskRecord] = ()  # the tasks below it that delivered something
    returned: Sequence[TaskRecord] = ()  # the task whose work came back from a merge queue to this one
    environment: Sequence[Variable] = ()
    messages: Sequence[Message] = ()
    instructions: str = ""  # what people and the agent itself want it to know in every attempt
    below_prompt: Sequence[str] = ()  # in lines of comment
    checks_result: bool = False
    lands_on: str | None = None  # of a check of a merge queue: the branch, empty for the project's own


# About a claim: what is told; that its attempt was ended, as it lacks a variable; or that nothing can be read now.
Answer = Background | VariablesMissing | None


Deliver = Callable[[Answer], None]


@dataclass(slots=True)
class Briefings:
    """Finds the background of claimed tasks; `deliver` is called on the event loop."""

    store: Store
    transcripts: Transcripts
    environments: Environments
    reports: Reports
    trays: Trays = field(default_factory=Trays)
    _asked: list[tuple[TaskRecord, int, Deliver]] = field(default_factory=list)
    _reading: "asyncio.Task[None] | None" = None
    _fetching: "set[asyncio.Task[None]]" = field(default_factory=set)

    def ask(self, task: TaskRecord, deliver: Deliver, *, profile_version: int = 0) -> None:
        """Have `deliver` called with the answer about `task`; the version is that of its agent's profile."""
        is_plain = task.spec.project_id is None and not task.has_upstreams and task.state.attempt == 1
        is_plain = is_plain and not task.spec.has_terms and not profile_version
        if is_plain and not self.environments.has_any and not self._may_have_mail(task):
            asyncio.get_running_loop().call_soon(deliver, Background())  # nothing to read
            return
        self._asked.append((task, profile_version, deliver))
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_all())

    def _may_have_mail(self, task: TaskRecord) -> bool:
        return self.trays.may_have(f"agent:{task.state.agent_id}", of_task(task.state.id))

    async def _read_all(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                claims = [(task, version) for task, version, _ in asked]
                for (task, _, deliver), background in zip(asked, await self._backgrounds(claims), strict=True):
                    if background is not None and any(one.is_open for one in background.environment):
                        fetching = asyncio.ensure_future(self._fetch(task, background, deliver))
                        self._fetching.add(fetching)
                        fetching.add_done_callback(self._fetching.discard)
                    else:
                        _tell(task, deliver, background)
        finally:
            self._reading = None

    async def _fetch(self, task: TaskRecord, background: Background, deliver: Deliver) -> None:
        """Answer with the variables that are kept elsewhere; without one of them the attempt ends before it begins."""
        answer: Answer
        try:
            answer = replace(background, environment=await self.environments.fetched(background.environment))
        except VariablesMissing as missing:
            log.warning("variables_missing", task_id=task.spec.id, attempt=task.state.attempt, reason=missing.message)
            answer = missing if await self._put_back(task, missing) else None
        _tell(task, deliver, answer)

    async def _put_back(self, task: TaskRecord, missing: VariablesMissing) -> bool:
        """End the attempt, to be tried again later; whether it is over."""
        try:
            await self.store.apply(self.reports.missing(task, missing))
        except Unavailable:
            return False
        except SwarmError as exc:  # it was cancelled, killed or lost meanwhile
            log.info("attempt_over", task_id=task.spec.id, reason=exc.message)
        return True

    async def _backgrounds(self, claims: list[tuple[TaskRecord, int]]) -> Sequence[Background | None]:
        tasks = [task for task, _ in claims]
        try:
            read = await self.store.read(lambda queries: [self._background(queries, *claim) for claim in claims])
            for _, look in read:
                if look is not None:
                    self.trays.emptied(look.empty, look.seq)
            found = [background for background, _ in read]
            return [await self._with_context(background, task) for background, task in zip(found, tasks, strict=True)]
        except Exception:  # the claims stand; their workers ask for them again
            log.exception("briefing_failed", tasks=len(tasks))
            return [None] * len(tasks)

    def _background(self, queries: Queries, task: TaskRecord, profile_version: int) -> tuple[Background, Look | None]:
        spec, state = task.spec, task.state
        look = digest_of(queries, task) if self._may_have_mail(task) else None
        previous = queries.attempt(spec.id, state.attempt - 1) if state.attempt > 1 else None
        background = Background(
            project=None if spec.project_id is None else queries.project(spec.project_id),
            dependencies=queries.upstreams(spec.id) if task.has_upstreams else (),
            previous=previous,
            answers="" if previous is None else _answers(queries, spec.id),
            below=() if previous is None else delivered_below(queries, spec.id),
            returned=returned_work(queries, spec),
            environment=self.environments.of(queries, task),
            messages=() if look is None else look.messages,
            instructions=_instructions(queries, task, profile_version),
            below_prompt=below_prompt(queries, task) if spec.has_terms else (),
            checks_result=spec.has_terms and wants_schema(queries, spec.id),
            lands_on=_lands_on(queries, spec),
        )
        return background, look

    async def _with_context(self, background: Background, task: TaskRecord) -> Background:
        """Add what an agent that held a conversation did; others begin anew with every attempt."""
        previous = background.previous
        if previous is None or not previous.report.session:
            return background
        return replace(background, context=await context_of(self.transcripts, task.spec.id, previous.number))


def _lands_on(queries: Queries, spec: TaskSpec) -> str | None:
    if LANDING not in spec.requires.capabilities:
        return None
    of_queue = queries.record(QUEUE_TASKS, spec.id)
    return None if of_queue is None or of_queue.kind is not QueueTaskKind.CHECK else of_queue.branch


def _instructions(queries: Queries, task: TaskRecord, profile_version: int) -> str:
    version = queries.record(PROFILE_VERSIONS, task.state.agent_id, profile_version) if profile_version else None
    return "" if version is None else version.instructions


def _answers(queries: Queries, task_id: str) -> str:
    told = (answers_to(queries, task_id), account_of(queries, task_id))
    return "\n\n".join(part for part in told if part)


def _tell(task: TaskRecord, deliver: Deliver, answer: Answer) -> None:
    try:
        deliver(answer)
    except Exception:  # one task that cannot be told must not keep the others from their workers
        log.exception("briefing_undelivered", task_id=task.spec.id)


def claimed_body(claimed: ClaimedTask, background: Background, *, token: str, lease_seconds: float) -> dict[str, Any]:
    """The body of a `claimed` frame, `protocol.pool.Claimed`."""
    spec, state = claimed.task.spec, claimed.task.state
    time_left = deadlines.left(state)
    harnesses = named(spec.harness)
    return {
        "claim_id": claimed.claim_id,
        "task_id": spec.id,
        "attempt": state.attempt,
        "fence": state.fence,
        "lease_seconds": lease_seconds,
        "token": token,
        "title": spec.title,
        "prompt": "\n\n".join([spec.prompt, *background.below_prompt]),
        "harness": harnesses[0] if harnesses else None,
        "harness_fallback": harnesses[1:],
        "model": spec.model,
        "labels": spec.labels,
        "permissions": _permissions(claimed.granted),
        "timeout_seconds": None if time_left is None else time_left / SECOND,
        "parent_id": spec.parent_id,
        "project": None if background.project is None else _project(background.project),
        "dependencies": _dependencies(background.dependencies),
        "previous": None if background.previous is None else _previous(background.previous, background.context),
        "below": [_below(record) for record in (*background.returned, *background.below)],
        "answers": background.answers,
        "instructions": background.instructions,
        "environment": [
            {"name": one.name, "value": one.value, "is_secret": one.is_secret} for one in background.environment
        ],
        "messages": [message_body(one) for one in background.messages],
        "landing": None if background.lands_on is None else {"branch": background.lands_on},
        "checks_result": background.checks_result,
    }


def _permissions(granted: Granted) -> dict[str, Any]:
    profile = granted.profile
    return {
        "profile": profile.name,
        "required": granted.is_required,
        "files": profile.files.value,
        "network": profile.network.value,
        "allow": profile.allow,
        "denied_tools": profile.denied_tools,
    }


def _project(project: ProjectRecord) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "repo_url": project.repo_url,
        "default_branch": project.default_branch,
    }


def _dependencies(upstreams: Sequence[DependencyRecord]) -> list[dict[str, Any]]:
    """Those that delivered; long texts share the room there is."""
    delivered = [(upstream, upstream.other_result) for upstream in upstreams if upstream.other_result is not None]
    share = DEPENDENCY_CHARS // max(1, len(delivered))
    return [
        {
            "task_id": upstream.other_id,
            "title": upstream.other_title,
            "text": _cut(str(result.get("text", "")), share),
            "branch": result.get("branch", ""),
            "commit": result.get("commit", ""),
        }
        for upstream, result in delivered
    ]


def _below(record: TaskRecord) -> dict[str, Any]:
    """Where its work is; what it says is told as an answer."""
    result = record.result or {}
    return {
        "task_id": record.spec.id,
        "title": record.spec.title,
        "branch": result.get("branch", ""),
        "commit": result.get("commit", ""),
    }


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[:chars] + CUT


def _previous(attempt: AttemptRecord, context: str) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "outcome": attempt.outcome.value if attempt.outcome else "",
        "agent_id": attempt.agent_id,
        "session": attempt.report.session,
        "branch": attempt.report.branch,
        "commit": attempt.report.commit,
        "snapshot": attempt.report.snapshot,
        "message": attempt.report.text,
        "context": context,
    }
