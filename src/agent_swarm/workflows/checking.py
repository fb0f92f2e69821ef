"""What models cannot say: stages that do not exist, circles, names that nothing has, templates where none may be."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from agent_swarm.domain.dependencies import in_creation_order
from agent_swarm.domain.errors import DependencyCycle
from agent_swarm.workflows import expressions, templates
from agent_swarm.workflows.builtins import arguments_of
from agent_swarm.workflows.document import (
    ITEMS,
    AnyStage,
    BuiltinStage,
    ShellStage,
    SwarmStage,
    Workflow,
    needs_of,
)
from agent_swarm.workflows.expressions import ExpressionError, Node, Path
from agent_swarm.workflows.inputs import fits

Found = tuple[tuple[str | int, ...], str]  # where, and what
RUN_FIELDS = frozenset({"id", "name"})
STAGE_FIELDS = frozenset({"status", "output", "data"})


def problems_of(workflow: Workflow) -> list[Found]:
    """Everything that is wrong with a workflow whose fields are all right by themselves."""
    found = [*_names(workflow), *_inputs(workflow)]
    if found:
        return found
    try:
        in_creation_order({stage.name: stage.needs for stage in workflow.stages})
    except DependencyCycle as exc:
        return [(("stages",), exc.message)]
    needs = needs_of(workflow)
    for index, stage in enumerate(workflow.stages):
        scope = _Scope(workflow, needs[stage.name], has_item=stage.foreach is not None)
        found += [((*("stages", index), *place), text) for place, text in _of_stage(stage, scope)]
    scope = _Scope(workflow, frozenset(needs), has_item=False)
    return [*found, *_of_value(("outputs",), workflow.outputs, scope)]


def _names(workflow: Workflow) -> Iterator[Found]:
    known: set[str] = set()
    for index, stage in enumerate(workflow.stages):
        if stage.name in known:
            yield ("stages", index, "name"), "another stage has this name"
        known.add(stage.name)
    for index, stage in enumerate(workflow.stages):
        for place, need in enumerate(stage.needs):
            if need not in known:
                yield ("stages", index, "needs", place), f"there is no stage {need!r}; there are {', '.join(known)}"
            elif need in stage.needs[:place]:
                yield ("stages", index, "needs", place), f"{need!r} stands there twice"


def _inputs(workflow: Workflow) -> Iterator[Found]:
    for name, spec in workflow.inputs.items():
        if spec.default is not None and not fits(spec.type, spec.default):
            yield ("inputs", name, "default"), f"it is no {spec.type.value}"
        if spec.default is not None and spec.required:
            yield ("inputs", name, "required"), "what has a default is not required"


class _Scope:
    """What the expressions of one stage may name."""

    def __init__(self, workflow: Workflow, stages: frozenset[str], *, has_item: bool) -> None:
        self._workflow = workflow
        self._stages = stages
        self.has_item = has_item

    def without_item(self) -> "_Scope":
        """The same, outside of a foreach."""
        return _Scope(self._workflow, self._stages, has_item=False)

    def problem_with(self, path: Path) -> str:
        """Why there can be nothing under this path; empty where there can."""
        first, *rest = path
        second = rest[0] if rest else None
        match first:
            case "inputs":
                if second is not None and second not in self._workflow.inputs:
                    return f"there is no input {second!r}; there are {', '.join(self._workflow.inputs) or 'none'}"
            case "stages":
                return self._problem_with_stage(second, rest[1] if len(rest) > 1 else None)
            case "run":
                if second not in RUN_FIELDS:
                    return f"run has {', '.join(sorted(RUN_FIELDS))}"
            case "item" | "index":
                if not self.has_item:
                    return f"{first} is known in stages with foreach only"
            case _:
                item = ", item, index" if self.has_item else ""
                return f"there is no {first!r}; there are inputs, stages, run{item}"
        return ""

    def _problem_with_stage(self, name: str | int | None, field: str | int | None) -> str:
        if name is None:
            return ""
        if name not in self._stages:
            if any(stage.name == name for stage in self._workflow.stages):
                return f"stage {name!r} may not have ended by then: put it into needs"
            return f"there is no stage {name!r}"
        if field is not None and field not in STAGE_FIELDS:
            return f"a stage has {', '.join(sorted(STAGE_FIELDS))}, no {field!r}"
        return ""


def _of_stage(stage: AnyStage, scope: _Scope) -> Iterator[Found]:
    outside = scope.without_item()
    if stage.if_ is not None:
        yield from _of_expression(("if",), unwrapped(stage.if_), outside)
    if isinstance(stage.foreach, str):
        yield from _of_expression(("foreach",), unwrapped(stage.foreach), outside)
    elif stage.foreach is not None:
        if len(stage.foreach) > ITEMS:
            yield ("foreach",), f"it has {len(stage.foreach)} items, at most {ITEMS} are taken"
        yield from _of_value(("foreach",), stage.foreach, outside)
    if stage.gate is not None:
        yield from _of_value(("gate",), [stage.gate.title, stage.gate.details], outside)
    match stage:
        case ShellStage():
            if templates.has_template(stage.run):
                yield ("run",), "a script has no templates: hand values to it by env, where no shell reads them"
            yield from _of_value(("env",), stage.env, scope)
        case BuiltinStage():
            yield from _of_value(("with",), stage.with_, scope)
            yield from _of_arguments(stage)
        case SwarmStage():
            yield from _of_value(("prompt",), stage.prompt, scope)
            yield from _of_value(("title",), stage.title, scope)
        case _:
            pass


def _of_arguments(stage: BuiltinStage) -> Iterator[Found]:
    try:
        arguments_of(stage.uses).model_validate(stage.with_)
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            if error["type"] in ("missing", "extra_forbidden"):  # the rest is known once it is filled in
                said = "is missing" if error["type"] == "missing" else "is not known here"
                yield ("with", *error["loc"]), f"{'.'.join(map(str, error['loc']))} {said}"


def unwrapped(text: str) -> str:
    """An expression as it stands, or in `{{ }}`."""
    stripped = text.strip()
    return stripped[2:-2] if stripped.startswith("{{") and stripped.endswith("}}") else stripped


def _of_expression(place: tuple[str | int, ...], text: str, scope: _Scope) -> Iterator[Found]:
    try:
        node = expressions.parse(text)
    except ExpressionError as exc:
        yield place, str(exc)
        return
    yield from _of_node(place, node, scope)


def _of_value(place: tuple[str | int, ...], value: Any, scope: _Scope) -> Iterator[Found]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _of_value((*place, name), one, scope)
        return
    for text in templates.texts_in(value):
        if templates.has_template(text):
            try:
                nodes = templates.nodes_of(text)
            except ExpressionError as exc:
                yield place, str(exc)
                continue
            for node in nodes:
                yield from _of_node(place, node, scope)


def _of_node(place: tuple[str | int, ...], node: Node, scope: _Scope) -> Iterator[Found]:
    for path in expressions.references(node):
        if problem := scope.problem_with(path):
            yield place, problem
