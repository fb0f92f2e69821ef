"""YAML as plain values, with the line that each value stands on.

Only what JSON can hold comes out. Files of strangers are read, too: bounded in size, depth and number of values, with
what is referred to counted wherever it stands; keys that stand twice are refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from agent_swarm.workflows.document import SOURCE_BYTES
from agent_swarm.workflows.problems import Problem, refusal

VALUES = 20_000
DEPTH = 40
Place = tuple[str | int, ...]
_PLAIN = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp")  # an instant is a text to us


@dataclass(frozen=True, slots=True)
class Source:
    """What a file says, and where."""

    value: Any
    lines: Mapping[Place, int]

    def line_of(self, place: Sequence[str | int]) -> int:
        """The line of what stands at `place`, or of what it would stand in."""
        for length in range(len(place), -1, -1):
            if (line := self.lines.get(tuple(place[:length]))) is not None:
                return line
        return 0


def read_source(text: str, *, called: str = "workflow") -> Source:
    """The values of a YAML text. Raises InvalidInput, with the line."""
    size = len(text.encode("utf-8", "replace"))
    if size > SOURCE_BYTES:
        raise refusal([Problem(0, "", f"it has {size} bytes, at most {SOURCE_BYTES} are taken")], source=called)
    try:
        return _read(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise refusal([Problem(mark.line + 1 if mark else 0, "", f"{exc.problem or exc}")], source=called) from None
    except (yaml.YAMLError, RecursionError) as exc:
        raise refusal([Problem(0, "", f"it is no YAML: {str(exc)[:200]}")], source=called) from None
    except _Unusable as exc:
        raise refusal([Problem(exc.line, where(exc.place), exc.message)], source=called) from None


def _read(text: str) -> Source:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        reader = _Reader(loader)
        return Source(None if node is None else reader.value(node, ()), reader.lines)
    finally:
        loader.dispose()


def where(place: Sequence[str | int]) -> str:
    """A place as people write it, such as `stages[2].needs`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


class _Unusable(Exception):
    def __init__(self, line: int, place: Place, message: str) -> None:
        super().__init__(message)
        self.line, self.place, self.message = line, place, message


class _Reader:
    """Makes values of nodes."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.lines: dict[Place, int] = {}
        self._loader = loader
        self._count = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > VALUES or len(place) > DEPTH:
            raise _Unusable(line, (), f"it holds more than {VALUES} values, or goes more than {DEPTH} levels deep")
        self.lines[place] = line
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, place))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, (*place, index)) for index, one in enumerate(node.value)]
        return self._plain(node, place)

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
        known: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise _Unusable(line, place, "a key is a plain text")
            name = str(key.value)
            if name in known:
                raise _Unusable(line, (*place, name), "it stands there twice")
            known.add(name)
            yield name, self.value(value, (*place, name))

    def _plain(self, node: yaml.Node, place: Place) -> Any:
        text = str(node.value)
        if node.tag in _PLAIN:
            return text
        if node.tag == "tag:yaml.org,2002:bool":  # `on`, `off`, `yes` and `no` are words
            return {"true": True, "false": False}.get(text.lower(), text)
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:null", "tag:yaml.org,2002:float"):
            try:
                value = self._loader.construct_object(node)
            except ValueError:
                raise _Unusable(node.start_mark.line + 1, place, f"{text[:40]!r} is no number") from None
            if isinstance(value, float) and value - value != 0:
                raise _Unusable(node.start_mark.line + 1, place, "it is no number that JSON knows")
            return value
        raise _Unusable(node.start_mark.line + 1, place, f"values of the kind {node.tag!r} are not taken")
