"""What a run is given: checked against what its workflow asks for."""

import json
from collections.abc import Mapping
from typing import Any

from agent_swarm.workflows.document import InputSpec, InputType, Workflow
from agent_swarm.workflows.problems import Problem, refusal

BYTES = 128 * 1024  # of all inputs, as JSON


def fits(kind: InputType, value: Any) -> bool:
    """Whether a value is of this type."""
    match kind:
        case InputType.TEXT:
            return isinstance(value, str)
        case InputType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case InputType.BOOLEAN:
            return isinstance(value, bool)
        case InputType.LIST:
            return isinstance(value, list)
        case InputType.OBJECT:
            return isinstance(value, Mapping)


def with_defaults(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a run. Raises InvalidInput for what is missing, unknown or of another type."""
    found = [
        Problem(0, f"inputs.{name}", f"is not an input of {workflow.name}; there are {_names(workflow)}")
        for name in given
        if name not in workflow.inputs
    ]
    values: dict[str, Any] = {}
    for name, spec in workflow.inputs.items():
        if name in given:
            values[name] = given[name]
            if not fits(spec.type, given[name]):
                found.append(Problem(0, f"inputs.{name}", f"is no {spec.type.value}"))
        elif _is_required(spec):
            found.append(Problem(0, f"inputs.{name}", "is missing, and has no default"))
        else:
            values[name] = spec.default
    if len(json.dumps(values, ensure_ascii=False).encode()) > BYTES:
        found.append(Problem(0, "inputs", f"are too large, at most {BYTES} bytes are taken"))
    if found:
        raise refusal(found, source="inputs")
    return values


def from_text(spec: InputSpec, text: str) -> Any:
    """An input as a command line gives it: texts as they are, everything else as JSON. Raises ValueError."""
    return text if spec.type is InputType.TEXT else json.loads(text)


def _is_required(spec: InputSpec) -> bool:
    return spec.default is None if spec.required is None else spec.required


def _names(workflow: Workflow) -> str:
    return ", ".join(workflow.inputs) or "none"
