"""What the result of a task has to look like: a JSON Schema that was filed with it, checked before the result counts.

Schemas and results come from agents, too. So a schema is bounded in size, in depth and in what it can make a check
cost; it refers to nothing outside itself, and in no circle, which needs no library to see. The library matches patterns
in time that grows with the text alone. It is loaded by the first task that has a schema.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from agent_swarm.domain.errors import InvalidInput, ResultMismatch
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.protocol import limits
from agent_swarm.protocol import pool as wire

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

BYTES = 64 * 1024  # of a schema as JSON
DEPTH = 32  # levels, with what is referred to in place
PARTS = 2_000  # objects and lists, with what is referred to in place
WORK = 5_000_000  # parts of the schema times values of the result: a check of a second or so
PATTERN_BYTES = 1024 * 1024  # of a pattern when it is compiled
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MISMATCH = "resultSchema"  # the code of the failure

# What would name a schema, or have a reference mean something else than a place in this one.
_NAMING = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef"})
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)

Schema = Mapping[str, Any]


def require_usable(schema: Schema, *, field: str) -> None:
    """Raise InvalidInput, saying where, for what is no JSON Schema, or one that we do not check results by."""
    size = len(json.dumps(schema, separators=(",", ":"), ensure_ascii=False).encode())
    if size > BYTES:
        raise _refused(field, "", f"it has {size} bytes, at most {BYTES} are taken")
    if schema.get("$schema", DIALECT) != DIALECT:
        raise _refused(field, "/$schema", f"it is written for another dialect; only {DIALECT} is known")
    if "object" not in _types(schema):
        raise _refused(field, "/type", "a result is an object, which this type excludes")
    _Cost(schema, field).of(schema, "", 0)
    problem = _compiles(schema)
    if problem is not None:
        raise _refused(field, *problem)


def problems(schema: Schema, data: Any) -> list[str]:
    """What is wrong with a result, first things first; empty where it is as it has to be.

    Values are left out of it, so that a secret in one is not told on.
    """
    if not isinstance(data, Mapping):
        return ["there is no structured result: state one as `data`, or end with a JSON object and nothing else"]
    parts, values = _Cost(schema, "resultSchema").of(schema, "", 0), _count(data)
    if parts * values > WORK:
        return [f"it has {values} values, at most {WORK // parts} can be checked by this schema"]
    found: list[str] = []
    for error in _validator(json.dumps(schema)).iter_errors(dict(data)):
        found.append(f"{_place(error)}: {error.message}")
        if len(found) == limits.RESULT_PROBLEMS:
            break
    return found


def require_match(schema: Schema, data: Any) -> None:
    """Raise ResultMismatch for a result that is not as its task wants it."""
    if found := problems(schema, data):
        raise ResultMismatch(
            f"the result is not what the task asks for: {'; '.join(found)}",
            hint="correct it and state it again, as `data`",
            details={"problems": found},
        )


def structured(told: wire.Complete) -> Any:
    """The structured result of a run that ended well: what was stated, else what the agent said, where that is JSON."""
    data = told.data or {}
    if isinstance(data.get("output"), Mapping):
        return data["output"]
    said = told.text.strip()
    fenced = _FENCED.fullmatch(said)
    try:
        spoken = json.loads(fenced[1] if fenced else said)
    except (ValueError, RecursionError):
        spoken = None
    return spoken if isinstance(spoken, Mapping) else told.data


def checked(told: wire.Complete, schema: Schema, *, is_stated: bool) -> wire.Complete | wire.Fail:
    """How the run ended, once its result was looked at: one that does not match makes it a failure of the agent."""
    data = told.data if is_stated else structured(told)
    found = problems(schema, data)
    if not found:
        return told.model_copy(update={"data": dict(data or {})})
    where = told.model_dump(exclude={"text", "data"})
    message = f"the result is not what the task asks for: {'; '.join(found)}"
    return wire.Fail(**where, failure=FailureClass.AGENT, code=MISMATCH, message=message)


def asked_of_agents(schema: Schema) -> str:
    """What stands below the prompt, in lines of comment, harmless to an agent whose prompt is a program."""
    lines = [
        "The result of this task has to be a JSON object that matches the JSON Schema below. State it with the tool",
        "store-progress, as `data` beside `result`, or end with the object and nothing else. No other result counts.",
        *json.dumps(schema, indent=1, ensure_ascii=False).splitlines(),
    ]
    return "\n".join(f"# {line}" for line in lines)


class _Cost:
    """Counts the parts of a schema with what it refers to in place; raises InvalidInput for what has no bound."""

    def __init__(self, root: Schema, field: str) -> None:
        self._root, self._field = root, field
        self._open: set[str] = set()

    def of(self, part: Any, place: str, depth: int) -> int:
        """The parts of what stands at `place`."""
        if depth > DEPTH:
            raise _refused(self._field, place, f"it goes deeper than {DEPTH} levels")
        number = 1
        for name, below in _below(part):
            where = f"{place}/{name}"
            if name == "$ref" and isinstance(below, str):
                number += self._referred(below, where, depth)
            elif name in _NAMING and not isinstance(below, Mapping):
                raise _refused(self._field, where, "schemas are referred to by #/…, not by names")
            elif isinstance(below, Mapping | list):
                number += self.of(below, where, depth + 1)
            if number > PARTS:
                raise _refused(self._field, place, f"it has more than {PARTS} parts, with what it refers to in place")
        return number

    def _referred(self, reference: str, where: str, depth: int) -> int:
        if reference in self._open:
            raise _refused(self._field, where, f"{reference!r} refers to itself; write out how deep a result may go")
        self._open.add(reference)
        number = self.of(self._at(reference, where), reference.removeprefix("#"), depth + 1)
        self._open.discard(reference)
        return number

    def _at(self, reference: str, where: str) -> Any:
        if reference != "#" and not reference.startswith("#/"):
            raise _refused(self._field, where, f"{reference!r} is outside of this schema; only #/… is looked up")
        part: Any = self._root
        for step in unquote(reference).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(part, list) and name.isdecimal() and int(name) < len(part):
                part = part[int(name)]
            elif isinstance(part, Mapping) and name in part:
                part = part[name]
            else:
                raise _refused(self._field, where, f"{reference!r} names nothing in this schema")
        return part


def _below(part: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Mapping):
        yield from ((str(name), below) for name, below in part.items())
    elif isinstance(part, list):
        yield from ((str(number), below) for number, below in enumerate(part))


def _types(schema: Schema) -> list[Any]:
    wanted = schema.get("type", "object")
    return wanted if isinstance(wanted, list) else [wanted]


def _compiles(schema: Schema) -> tuple[str, str] | None:
    """Where a schema is wrong, and how."""
    from jsonschema_rs import ReferencingError, ValidationError

    try:
        _validator(json.dumps(schema))
    except ValidationError as error:
        return "".join(f"/{step}" for step in error.instance_path), error.message
    except (ReferencingError, ValueError) as error:
        return "", str(error)
    return None


@lru_cache(maxsize=64)
def _validator(schema: str) -> "Draft202012Validator":
    from jsonschema_rs import Draft202012Validator, RegexOptions

    options = RegexOptions(size_limit=PATTERN_BYTES, dfa_size_limit=PATTERN_BYTES)
    return Draft202012Validator(json.loads(schema), pattern_options=options, mask="the value", offline=True)


def _place(error: "ValidationError") -> str:
    return "/".join(["data", *map(str, error.instance_path)])


def _count(data: Any) -> int:
    """The values in a result."""
    number, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        number += 1
        waiting.extend(below for _, below in _below(value))
    return number


def _refused(field: str, place: str, problem: str) -> InvalidInput:
    at = f" at {place}" if place else ""
    return InvalidInput(
        f"{field} cannot be used{at}: {problem}",
        hint="a JSON Schema of draft 2020-12 for an object; see docs/offers.md",
        details={"field": field, "where": place},
    )
