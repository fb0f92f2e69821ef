"""A stage filled in: whether it runs, over which items, and what it asks for, from what others have come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agent_swarm.workflows import expressions, templates
from agent_swarm.workflows.checking import unwrapped
from agent_swarm.workflows.document import ITEMS, AnyStage, ShellStage, SwarmStage, Workflow
from agent_swarm.workflows.expressions import ExpressionError

OUTPUT_CHARS = 16_000  # of a stage, for others
_TASK_FIELDS = (
    *("harness", "model", "project", "swarm", "tags", "requires", "priority", "permissions"),
    *("result_schema", "include_results", "timeout_seconds"),
)


class StageStatus(StrEnum):
    """How a stage has ended, as other stages see it."""

    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOutcome:
    """What a stage has come to. `output` is a text, `data` anything that JSON holds."""

    status: StageStatus
    output: str = ""
    data: Any = None

    def named(self) -> dict[str, Any]:
        """As expressions see it."""
        return {"status": self.status.value, "output": self.output, "data": self.data}

    def stored(self) -> dict[str, Any]:
        """As the result of the stage's task holds it, beside its text."""
        return {"status": self.status.value, "data": self.data}

    @classmethod
    def from_result(cls, result: Mapping[str, Any] | None) -> "StageOutcome":
        """What `stored` made, with the text of the same result."""
        data = (result or {}).get("data") or {}
        known = {one.value for one in StageStatus}
        status = data.get("status")
        return cls(
            status=StageStatus(status) if status in known else StageStatus.COMPLETED,
            output=str((result or {}).get("text") or ""),
            data=data.get("data"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the expressions of a stage are told."""

    run_id: str
    workflow: Workflow
    inputs: Mapping[str, Any]
    stages: Mapping[str, StageOutcome] = field(default_factory=dict)

    def names(self, **more: Any) -> dict[str, Any]:
        """By the names that expressions have for it."""
        return {
            "inputs": dict(self.inputs),
            "stages": {name: outcome.named() for name, outcome in self.stages.items()},
            "run": {"id": self.run_id, "name": self.workflow.name},
            **more,
        }


def is_wanted(stage: AnyStage, known: Known) -> bool:
    """Whether the condition of a stage holds. Raises ExpressionError."""
    if stage.if_ is None:
        return True
    return bool(expressions.evaluate(expressions.parse(unwrapped(stage.if_)), known.names()))


def items_of(stage: AnyStage, known: Known) -> list[Any]:
    """What a stage with foreach is done for. Raises ExpressionError for what is no list, or one that is too long."""
    if isinstance(stage.foreach, str):
        found = expressions.evaluate(expressions.parse(unwrapped(stage.foreach)), known.names())
    else:
        found = templates.render(stage.foreach, known.names())
    if not isinstance(found, list):
        raise ExpressionError(f"foreach wants a list, and {str(stage.foreach)[:80]!r} is none")
    if len(found) > ITEMS:
        raise ExpressionError(f"foreach has {len(found)} items, at most {ITEMS} are taken")
    return found


def script_environment(stage: ShellStage, names: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a script. Raises ExpressionError."""
    filled = {name: expressions.as_text(templates.render(value, names)) for name, value in stage.env.items()}
    for name, value in filled.items():
        if "\0" in value:
            raise ExpressionError(f"the value of {name} has a NUL character, which no variable can have")
    return filled


def task_fields(stage: SwarmStage) -> dict[str, Any]:
    """What of `POST /api/tasks` an agent's stage says as it stands, so without its texts."""
    body = stage.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(_TASK_FIELDS))
    return {**body, "maxAttempts": stage.retries + 1}


def task_input(stage: SwarmStage, names: Mapping[str, Any]) -> dict[str, Any]:
    """What `POST /api/tasks` takes for an agent's stage. Raises ExpressionError."""
    body = task_fields(stage)
    body["prompt"] = templates.render_text(stage.prompt, names)
    if not body["prompt"].strip():
        raise ExpressionError("the prompt is blank once it is filled in")
    title = " ".join(templates.render_text(stage.title or stage.name, names).split())
    body["title"] = title[:200] or stage.name
    return body


def outputs_of(workflow: Workflow, known: Known) -> dict[str, Any]:
    """What a run has come to. Raises ExpressionError."""
    filled = templates.render(workflow.outputs, known.names())
    assert isinstance(filled, dict)
    return filled
