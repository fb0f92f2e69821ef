"""One part of a workflow, carried out under its lease: what is known is read, what comes next is decided, and done.

A part that has to wait pauses its attempt, and is claimed again when what it waits for has ended. So whatever is
killed in between is asked anew, and what was filed before is found and not filed twice.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_swarm.domain import commands
from agent_swarm.domain.approvals import QuestionKind
from agent_swarm.domain.errors import NotFound, SwarmError
from agent_swarm.domain.tasks import FailureClass, PauseReason
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol.rest import BatchTaskInput
from agent_swarm.server.context import Context
from agent_swarm.server.runner.builtins import BuiltinFailed, do_builtin
from agent_swarm.server.runner.recording import Recording
from agent_swarm.server.runner.scripts import Ended, NoSandbox, Script, Scripts
from agent_swarm.services import task_references, tasks
from agent_swarm.services.approvals import question_for
from agent_swarm.services.transcripts import AGENT_ENDED
from agent_swarm.services.workflow_facts import (
    GATE_QUESTION,
    RunState,
    agents_before,
    gate_id,
    run_state,
    stage_facts,
)
from agent_swarm.services.workflow_filing import filer_of, new_items
from agent_swarm.store.asking import AskApproval
from agent_swarm.store.base import Queries
from agent_swarm.store.families.workflows import WORKFLOW_PARTS, PartKind, WorkflowPart
from agent_swarm.store.operations import CreateTasks, Idempotency, TaskCommand, WaitForTasks
from agent_swarm.store.records import AttemptReport, TaskRecord
from agent_swarm.workflows.deciding import (
    Ask,
    DoBuiltin,
    Done,
    Facts,
    Failed,
    File,
    RunScript,
    Step,
    Wait,
    after_failure,
    next_of_item,
    next_of_run,
    next_step,
)
from agent_swarm.workflows.document import AnyStage, BuiltinStage, ShellStage
from agent_swarm.workflows.expressions import ExpressionError
from agent_swarm.workflows.rendering import StageOutcome, StageStatus


@dataclass(frozen=True, slots=True)
class Situation:
    """What a part is, and how its run stands."""

    part: WorkflowPart
    run: RunState
    step: Step
    facts: Facts = Facts()

    @property
    def stage(self) -> AnyStage | None:
        """The stage that it is, or belongs to; None for a whole run."""
        return self.run.workflow.stage(self.part.stage) if self.part.stage else None


def situation(queries: Queries, task_id: str) -> Situation:
    """What comes next of a task. Raises NotFound for one that is no part of a workflow."""
    part = queries.record(WORKFLOW_PARTS, task_id)
    if part is None or part.kind is PartKind.AGENT:
        raise NotFound(
            "the task requires a runner, and is no part of a workflow",
            hint="start workflows with: agent-swarm workflow run FILE",
        )
    run = run_state(queries, part.run_id)
    if part.kind is PartKind.RUN:
        step = next_of_run(run.workflow, run.known, run.failures)
        return Situation(part, run, step if run.is_over else Wait())
    stage = run.workflow.stage(part.stage)
    if part.kind is PartKind.ITEM:
        item = part.content.get("item")
        return Situation(part, run, next_of_item(stage, run.known, position=part.position, item=item))
    facts = stage_facts(queries, task_id)
    return Situation(part, run, next_step(stage, run.known, facts), facts)


class Attempt:
    """One attempt at a part, from its claim to its end or its pause."""

    def __init__(self, task: TaskRecord, *, actor: str, context: Context, scripts: Scripts) -> None:
        self._task = task
        self._actor = actor
        self._context = context
        self._store = context.store
        self._scripts = scripts

    async def carry_out(self, jitter: float) -> None:
        """Do what comes next. Raises SwarmError where the lease is over; nothing is lost then."""
        await self._command(commands.Start(task_id=self._id, fence=self._fence))
        try:
            found = await self._store.read(lambda queries: situation(queries, self._id))
            await self._take(found, jitter)
        except NotFound as exc:
            await self._fail("noWorkflow", exc.message, FailureClass.POLICY, jitter)

    async def _take(self, found: Situation, jitter: float) -> None:
        step = found.step
        match step:
            case Done(outcome):
                await self._complete(outcome)
            case Failed(code, message):
                await self._fail(code, message, FailureClass.POLICY, jitter)
            case Ask():
                await self._ask(step)
            case Wait():
                await self._wait()
            case File():
                await self._file(found, step, jitter)
            case RunScript(environment):
                await self._run(found, environment, jitter)
            case DoBuiltin(arguments):
                await self._do(found, arguments, jitter)

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        await self._store.apply(WaitForTasks(task_id=self._id, fence=self._fence, actor=self._actor))
        await self._command(commands.Pause(task_id=self._id, fence=self._fence, reason=PauseReason.TASKS))

    async def _ask(self, step: Ask) -> None:
        title = step.title
        asked = question_for(
            gate_id(self._id),
            task_id=self._id,
            agent_id=self._task.state.agent_id or "",
            title=self._context.redactor.text(title),
            details=self._context.redactor.text(step.details),
            question=(GATE_QUESTION, "Shall it go on?", QuestionKind.YES_NO),
        )
        lasts = step.expires_in_seconds or self._context.approvals.expiry
        ask = AskApproval(approval=asked, fence=self._fence, lasts=round(lasts * SECOND), actor=self._actor)
        await self._store.apply(ask)
        await self._command(commands.Pause(task_id=self._id, fence=self._fence, reason=PauseReason.APPROVAL))

    async def _file(self, found: Situation, step: File, jitter: float) -> None:
        """File what is below the stage, once, whoever asks for it again."""
        try:
            wanted = await self._store.read(lambda queries: self._filing(queries, found, step))
            key = f"items from {step.first}"
            digest = hashlib.sha256(key.encode()).hexdigest()
            once = Idempotency(subject=f"task:{self._id}", route="workflow", key=key, body_hash=digest)
            await self._store.apply(replace(wanted, actor=self._actor, idempotency=once))
        except SwarmError as exc:
            if exc.code not in _REFUSALS_OF_TASKS:
                raise
            await self._fail(exc.code, exc.message, FailureClass.POLICY, jitter, stage=found.stage)
            return
        await self._wait()

    def _filing(self, queries: Queries, found: Situation, step: File) -> CreateTasks:
        stage, run = found.stage, found.run
        assert stage is not None
        if not step.tasks:
            items = new_items(stage, self._task, found.part.run_id, step.first, step.items)
            return CreateTasks(tasks=tuple(items), actor=self._actor)
        upstreams = agents_before(queries, run, stage.name)
        bodies = [
            {**body, "dependsOn": upstreams, "parentTaskId": self._id, "ref": str(step.first + place)}
            for place, body in enumerate(step.tasks)
        ]
        wanted = [BatchTaskInput.model_validate(body) for body in bodies]
        by, rules = filer_of(run.task), self._context.rules
        known = task_references.look_up(wanted, by=by, profiles=rules.profiles)(queries)
        graph = tasks.create_graph(wanted, known, by=by, rules=rules)
        new = list(graph.operation.tasks)
        for place in range(len(wanted)):
            position = graph.positions[place]
            part = WorkflowPart(
                task_id=new[position].spec.id,
                run_id=found.part.run_id,
                kind=PartKind.AGENT,
                stage=stage.name,
                position=step.first + place,
            )
            new[position] = replace(new[position], part=part)
        return CreateTasks(tasks=tuple(new), actor=self._actor)

    # --- doing --------------------------------------------------------------------------------------------------------

    async def _run(self, found: Situation, environment: Mapping[str, str], jitter: float) -> None:
        stage = found.stage
        assert isinstance(stage, ShellStage)
        told = {"AGENT_SWARM_WORKFLOW_RUN": found.part.run_id, "AGENT_SWARM_STAGE": stage.name}
        stored = await self._variables()
        script = Script(
            name=f"{self._id}-{self._task.state.attempt}",
            text=stage.run,
            variables={**stored, **environment, **told},
            timeout_seconds=stage.timeout_seconds,
        )
        place = (self._id, self._task.state.attempt)
        async with Recording(self._context.transcripts, *place, now=self._store.now) as recording:
            recording.note("started", stage=stage.name)
            try:
                ended = await self._scripts.run(script, recording)
            except NoSandbox as exc:
                ended = Ended("", problem=f"{exc.message}; {exc.hint}", code="noSandbox")
            recording.note(AGENT_ENDED, problem=ended.problem)
        if ended.problem:
            failure = FailureClass.POLICY if ended.code == "noSandbox" else FailureClass.AGENT
            await self._fail(ended.code, ended.problem, failure, jitter, stage=stage)
            return
        await self._complete(StageOutcome(status=StageStatus.COMPLETED, output=ended.output, data=ended.data))

    async def _variables(self) -> dict[str, str]:
        """What is stored for attempts, as agents get it."""
        environments = self._context.environments
        found = await self._store.read(lambda queries: environments.of(queries, self._task))
        return {one.name: one.value for one in await environments.fetched(found)}

    async def _do(self, found: Situation, arguments: Mapping[str, Any], jitter: float) -> None:
        stage = found.stage
        assert isinstance(stage, BuiltinStage)
        try:
            outcome = await do_builtin(stage.uses, arguments, context=self._context, by=filer_of(found.run.task))
        except BuiltinFailed as exc:
            await self._fail("failed", str(exc), FailureClass.AGENT, jitter, stage=stage)
        except ExpressionError as exc:
            await self._fail("expression", str(exc), FailureClass.POLICY, jitter, stage=stage)
        except SwarmError as exc:
            if exc.code not in _REFUSALS_OF_TASKS:
                raise
            await self._fail(exc.code, exc.message, FailureClass.AGENT, jitter, stage=stage)
        else:
            await self._complete(outcome)

    # --- ends ---------------------------------------------------------------------------------------------------------

    async def _complete(self, outcome: StageOutcome) -> None:
        report = AttemptReport(text=outcome.output, data=outcome.stored())
        digest = _digest("complete", report.text, report.data)
        await self._command(commands.Complete(task_id=self._id, fence=self._fence, digest=digest), report)

    async def _fail(
        self, code: str, message: str, failure: FailureClass, jitter: float, *, stage: AnyStage | None = None
    ) -> None:
        """End the attempt; where it was the last one of a stage without which the run goes on, that is its outcome."""
        state = self._task.state
        is_last = failure is FailureClass.POLICY or state.failures + 1 >= state.max_attempts
        is_stage = stage is not None and stage.foreach is None
        outcome = after_failure(stage, message) if stage is not None and is_stage and is_last else None
        if outcome is not None:
            await self._complete(outcome)
            return
        report = AttemptReport(text=message, failure_class=failure.value, failure_code=code)
        digest = _digest("fail", failure.value, code, message)
        command = commands.Fail(task_id=self._id, fence=self._fence, failure=failure, digest=digest, jitter=jitter)
        await self._command(command, report)

    async def _command(self, command: commands.Command, report: AttemptReport = AttemptReport()) -> None:
        told = TaskCommand(command=command, actor=self._actor, report=self._context.redactor.report(report))
        await self._store.apply(told)

    @property
    def _id(self) -> str:
        return self._task.spec.id

    @property
    def _fence(self) -> int:
        return self._task.state.fence


# What a refusal of these says will not be otherwise the next time; everything else may be.
_REFUSALS_OF_TASKS = frozenset(
    {"invalidInput", "unknownReference", "tooLarge", "notFound", "denied", "alreadyExists", "capReached", "conflict"}
)


def folder_of(data_dir: Path) -> Path:
    """Where scripts run."""
    return data_dir / "runner"


def _digest(*content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
