"""Texts with `{{ expression }}` in them, and values that hold such texts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent_swarm.workflows import expressions
from agent_swarm.workflows.expressions import ExpressionError, Node

_PIECE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
RENDERED_CHARS = 1_000_000


def has_template(text: str) -> bool:
    """Whether there is something to fill in."""
    return "{{" in text


def nodes_of(text: str) -> list[Node]:
    """The expressions in a text. Raises ExpressionError for one that cannot be read."""
    if "{{" in _PIECE.sub("", text):
        raise ExpressionError("a {{ is not closed by }}")
    return [expressions.parse(piece) for piece in _PIECE.findall(text)]


def literally(text: str) -> str:
    """A template that comes to this text, whatever is in it."""
    return text.replace("{{", "{{ '{{' }}")


def render(value: Any, names: Mapping[str, Any]) -> Any:
    """The value filled in. A text that is one expression and nothing else becomes what that is, of any type."""
    if isinstance(value, str):
        return _rendered(value, names)
    if isinstance(value, Mapping):
        return {name: render(one, names) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [render(one, names) for one in value]
    return value


def render_text(text: str, names: Mapping[str, Any]) -> str:
    """The text filled in, as a text."""
    return expressions.as_text(render(text, names))


def texts_in(value: Any) -> Iterator[str]:
    """Every text that may have something to fill in."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)


def _rendered(text: str, names: Mapping[str, Any]) -> Any:
    if not has_template(text):
        return text
    nodes = nodes_of(text)
    alone = _PIECE.fullmatch(text.strip())
    if alone is not None and len(nodes) == 1:
        return expressions.evaluate(nodes[0], names)
    pieces = iter(nodes)
    filled = _PIECE.sub(lambda _: expressions.as_text(expressions.evaluate(next(pieces), names)), text)
    if len(filled) > RENDERED_CHARS:
        raise ExpressionError(f"the text has {len(filled)} characters once it is filled in, {RENDERED_CHARS} are taken")
    return filled
