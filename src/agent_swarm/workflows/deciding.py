"""What comes next of a stage, from what is known: one pure function, asked again whenever something has changed.

Whoever carries stages out may be killed at any moment and begin anew: nothing is remembered between two questions but
what tasks and approvals say.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent_swarm.workflows import templates
from agent_swarm.workflows.document import AnyStage, BuiltinStage, NoopStage, ShellStage, SwarmStage, Workflow
from agent_swarm.workflows.expressions import ExpressionError
from agent_swarm.workflows.rendering import (
    OUTPUT_CHARS,
    Known,
    StageOutcome,
    StageStatus,
    is_wanted,
    items_of,
    outputs_of,
    script_environment,
    task_input,
)

DATA_BYTES = 1_000_000  # of a stage, as JSON
ITEM_OUTPUT_CHARS = 2_000  # of an item, in the data of its stage


class GateAnswer(StrEnum):
    """How the question at a gate stands."""

    OPEN = "open"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A task below a stage: an item, or what an agent does. `outcome` is None while it is open."""

    position: int
    outcome: StageOutcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What has become of a stage so far."""

    gate: GateAnswer | None = None  # None: nobody was asked
    children: Sequence[Child] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask people, and wait."""

    title: str
    details: str
    expires_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class File:
    """File these items below the stage, and wait; `tasks` are bodies for agents, none where items are the runner's."""

    first: int
    items: tuple[Any, ...]
    tasks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for the tasks below it."""


@dataclass(frozen=True, slots=True)
class RunScript:
    """Run the stage's script with these variables."""

    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DoBuiltin:
    """Do what the builtin says with these arguments."""

    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The stage has come to this."""

    outcome: StageOutcome


@dataclass(frozen=True, slots=True)
class Failed:
    """The stage fails, and trying again cannot help."""

    code: str
    message: str


Step = Ask | File | Wait | RunScript | DoBuiltin | Done | Failed
SKIPPED = StageOutcome(status=StageStatus.SKIPPED)


def next_step(stage: AnyStage, known: Known, facts: Facts) -> Step:
    """What comes next of a stage."""
    try:
        return _bounded(_step(stage, known, facts))
    except ExpressionError as exc:
        return _failure(stage, "expression", f"stage {stage.name!r}: {exc}")


def next_of_item(stage: AnyStage, known: Known, *, position: int, item: Any) -> Step:
    """What comes next of one item of a stage that the runner carries out by itself."""
    try:
        return _bounded(_doing(stage, known.names(item=item, index=position)))
    except ExpressionError as exc:
        return Failed("expression", f"stage {stage.name!r}, item {position}: {exc}")


def next_of_run(workflow: Workflow, known: Known, stages: Mapping[str, str]) -> Step:
    """What comes next of a whole run; `stages` says of each that has failed for good why."""
    for stage in workflow.stages:
        if stage.name in stages:
            return Failed("stageFailed", f"stage {stage.name!r} failed: {stages[stage.name]}")
    if any(stage.name not in known.stages for stage in workflow.stages):
        return Wait()
    try:
        outputs = outputs_of(workflow, known)
    except ExpressionError as exc:
        return Failed("expression", f"outputs: {exc}")
    counted = [
        f"{number} {status.value}"
        for status in StageStatus
        if (number := sum(one.status is status for one in known.stages.values()))
    ]
    text = f"{workflow.name}: {', '.join(counted)}"
    return _bounded(Done(StageOutcome(status=StageStatus.COMPLETED, output=text, data=outputs)))


def after_failure(stage: AnyStage, message: str) -> StageOutcome | None:
    """What a stage comes to whose last attempt failed, where its run goes on all the same."""
    if not stage.continue_on_error:
        return None
    return StageOutcome(status=StageStatus.FAILED, output=message[:OUTPUT_CHARS])


def _step(stage: AnyStage, known: Known, facts: Facts) -> Step:
    if not is_wanted(stage, known):
        return Done(SKIPPED)
    if stage.gate is not None and facts.gate is not GateAnswer.YES:
        if facts.gate is GateAnswer.NO:
            return _failure(stage, "gateClosed", f"stage {stage.name!r}: nobody has opened its gate")
        names = known.names()
        title = " ".join(templates.render_text(stage.gate.title, names).split())[:200] or stage.name
        details = templates.render_text(stage.gate.details, names)[:16_000]
        return Ask(title, details, stage.gate.expires_in_seconds)
    if stage.foreach is not None:
        return _for_each(stage, known, facts.children)
    if isinstance(stage, SwarmStage):
        return _for_agent(stage, known, facts.children)
    return _doing(stage, known.names())


def _doing(stage: AnyStage, names: Mapping[str, Any]) -> Step:
    match stage:
        case NoopStage():
            return Done(StageOutcome(status=StageStatus.COMPLETED))
        case ShellStage():
            return RunScript(script_environment(stage, names))
        case BuiltinStage():
            return DoBuiltin(templates.render(stage.with_, names))
        case SwarmStage():
            raise ExpressionError("what is for agents is filed as a task")


def _for_agent(stage: SwarmStage, known: Known, children: Sequence[Child]) -> Step:
    if not children:
        return File(0, (None,), (task_input(stage, known.names()),))
    outcome = children[0].outcome
    if outcome is None:
        return Wait()
    if outcome.status is StageStatus.FAILED:
        return _failure(stage, "agentFailed", outcome.output or "the task of the agent failed")
    return Done(outcome)


def _for_each(stage: AnyStage, known: Known, children: Sequence[Child]) -> Step:
    """Items go in waves of `maxParallel`; after a failure no further one begins, unless the run goes on anyhow."""
    items = items_of(stage, known)
    ended = [child for child in children if child.outcome is not None]
    if len(ended) < len(children):
        return Wait()
    broken = [child for child in ended if child.outcome is not None and child.outcome.status is StageStatus.FAILED]
    if broken and not stage.continue_on_error:
        first = min(broken, key=lambda child: child.position)
        said = first.outcome.output if first.outcome else ""
        return Failed("itemFailed", f"{len(broken)} of {len(items)} items failed; item {first.position}: {said}")
    if len(children) < len(items):
        begin = len(children)
        wave = tuple(items[begin : begin + stage.max_parallel])
        tasks: tuple[Mapping[str, Any], ...] = ()
        if isinstance(stage, SwarmStage):
            tasks = tuple(
                task_input(stage, known.names(item=item, index=begin + place)) for place, item in enumerate(wave)
            )
        return File(begin, wave, tasks)
    return Done(_gathered(ended))


def _gathered(children: Sequence[Child]) -> StageOutcome:
    outcomes = [one.outcome for one in sorted(children, key=lambda one: one.position) if one.outcome is not None]
    broken = sum(one.status is StageStatus.FAILED for one in outcomes)
    return StageOutcome(
        status=StageStatus.FAILED if broken else StageStatus.COMPLETED,
        output=f"{len(outcomes)} items" + (f", {broken} failed" if broken else ""),
        data=[{**one.named(), "output": one.output[:ITEM_OUTPUT_CHARS]} for one in outcomes],
    )


def _failure(stage: AnyStage, code: str, message: str) -> Step:
    """A failure that trying again cannot help; of a stage that may fail it is what it comes to."""
    outcome = after_failure(stage, message)
    return Failed(code, message) if outcome is None else Done(outcome)


def _bounded(step: Step) -> Step:
    if isinstance(step, Done) and len(json.dumps(step.outcome.data, ensure_ascii=False).encode()) > DATA_BYTES:
        return Failed("tooLarge", f"the data that it comes to has more than {DATA_BYTES} bytes")
    return step
