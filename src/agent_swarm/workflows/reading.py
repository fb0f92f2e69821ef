"""A workflow file, read: the models of what it says, or everything that is wrong with it, line by line."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agent_swarm.workflows.checking import problems_of
from agent_swarm.workflows.document import Workflow
from agent_swarm.workflows.problems import Problem, refusal
from agent_swarm.workflows.source import Source, read_source, where

_KINDS = frozenset({"noop", "shell", "builtin", "swarm"})  # what pydantic puts into the place of a stage's problem
_EXPECTED = {
    "extra_forbidden": "is not known here",
    "missing": "is missing",
    "union_tag_not_found": "`kind` is missing: noop, shell, builtin or swarm",
    "union_tag_invalid": "`kind` is none of noop, shell, builtin and swarm",
}


def read_workflow(text: str, *, called: str = "workflow") -> Workflow:
    """The workflow that a YAML text describes. Raises InvalidInput with all that is wrong."""
    source = read_source(text, called=called)
    return _made(source, called)


def workflow_of(stored: Mapping[str, Any]) -> Workflow:
    """The workflow that was stored as JSON, or comes as such. Raises InvalidInput."""
    return _made(Source(stored, {}), "workflow")


def _made(source: Source, called: str) -> Workflow:
    if not isinstance(source.value, Mapping):
        raise refusal([Problem(1, "", "a workflow is a mapping with `name` and `stages`")], source=called)
    try:
        workflow = Workflow.model_validate(source.value)
    except ValidationError as exc:
        raise refusal([_told(error, source) for error in exc.errors(include_url=False)], source=called) from None
    except RecursionError:
        raise refusal([Problem(0, "", "it is nested too deep")], source=called) from None
    found = [Problem(source.line_of(place), _named(place, source), text) for place, text in problems_of(workflow)]
    if found:
        raise refusal(found, source=called)
    return workflow


def _told(error: Any, source: Source) -> Problem:
    place = tuple(part for index, part in enumerate(error["loc"]) if not _is_inserted(error["loc"], index))
    message = _EXPECTED.get(error["type"])
    if message is None:
        message = error["msg"].removeprefix("Value error, ")
    return Problem(source.line_of(place), _named(place, source), message)


def _is_inserted(loc: tuple[Any, ...], index: int) -> bool:
    """Whether pydantic made this part up: the kind of a stage, or the branch of an alternative."""
    part = loc[index]
    after_stage = index == 2 and loc[0] == "stages" and part in _KINDS
    return after_stage or (isinstance(part, str) and ("[" in part or part in ("str", "int", "float", "bool")))


def _named(place: tuple[str | int, ...], source: Source) -> str:
    """A place by the name of its stage, where that has one."""
    if len(place) > 1 and place[0] == "stages" and isinstance(place[1], int):
        stages = source.value.get("stages")
        stage = stages[place[1]] if isinstance(stages, list) and place[1] < len(stages) else None
        name = stage.get("name") if isinstance(stage, Mapping) else None
        if isinstance(name, str):
            rest = where(place[2:])
            return f"stage {name!r}" + (f", {rest}" if rest else "")
    return where(place)
