"""The expressions of workflows: small, total, and ours, so that a file of somebody else can compute nothing else.

    or    = and {"or" and}            compare = value [op value]     op = == != < <= > >= in "not in"
    and   = not {"and" not}           value   = literal | list | call | path | "(" or ")"
    not   = "not" not | compare       path    = name {"." name | "[" number or text "]"}

There are no loops and no names but those that are handed in, and every expression is bounded in length and depth:
whatever it is, it ends.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CHARS = 1_000
DEPTH = 40

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)"
    r"|(?P<sign>==|!=|<=|>=|[<>()\[\].,]))"
)
_LITERALS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class ExpressionError(ValueError):
    """An expression that cannot be read, or that asks for what is not there."""


class MissingValue(ExpressionError):
    """A path that leads nowhere; what `default` is for."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the text."""

    value: Any


@dataclass(frozen=True, slots=True)
class Items:
    """A list in the text."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Reference:
    """A path to a value that is handed in."""

    path: Path


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or an operator, of others."""

    name: str
    arguments: "tuple[Node, ...]"


Node = Literal | Items | Reference | Call


def parse(text: str) -> Node:
    """The expression that `text` is. Raises ExpressionError, saying where it stops making sense."""
    if len(text) > CHARS:
        raise ExpressionError(f"has {len(text)} characters, at most {CHARS} are taken")
    return _Parser(text).whole()


def references(node: Node) -> Iterator[Path]:
    """Every path that it asks for."""
    match node:
        case Reference(path):
            yield path
        case Items(parts) | Call(_, parts):
            for part in parts:
                yield from references(part)


def evaluate(node: Node, names: Mapping[str, Any]) -> Any:
    """What it comes to. Raises ExpressionError, and MissingValue for a path that leads nowhere."""
    match node:
        case Literal(value):
            return value
        case Items(parts):
            return [evaluate(part, names) for part in parts]
        case Reference(path):
            return _found(path, names)
        case Call("and", (left, right)):
            return evaluate(left, names) and evaluate(right, names)
        case Call("or", (left, right)):
            return evaluate(left, names) or evaluate(right, names)
        case Call("default", (wanted, otherwise)):
            try:
                return evaluate(wanted, names)
            except MissingValue:
                return evaluate(otherwise, names)
        case Call(name, arguments):
            return _FUNCTIONS[name][1](*(evaluate(argument, names) for argument in arguments))


def as_text(value: Any) -> str:
    """A value as it stands in a text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(path: Path) -> str:
    """A path as people write it."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _found(path: Path, names: Mapping[str, Any]) -> Any:
    value: Any = names
    for place, part in enumerate(path):
        if not _has(value, part):
            inside = shown(path[:place]) or "what is known here"
            raise MissingValue(f"there is no {shown(path)}: {inside} {_holds(value)}")
        value = value[part]
    return value


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and -len(value) <= part < len(value)
    return isinstance(value, Mapping) and part in value


def _holds(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"has {', '.join(sorted(map(str, value))[:20]) or 'nothing'}"
    if isinstance(value, list):
        return f"has {len(value)} items"
    return "is no object and no list"


def _less(sign: str) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (left, right))
        if not numbers and not (isinstance(left, str) and isinstance(right, str)):
            raise ExpressionError(f"{sign} compares two numbers or two texts")
        return _ORDERS[sign](left, right)

    return compare


def _equal(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str) and isinstance(part, str):
        return part in whole
    if isinstance(whole, list):
        return any(_equal(one, part) for one in whole)
    if isinstance(whole, Mapping):
        return part in whole if isinstance(part, str) else False
    raise ExpressionError("only texts, lists and objects contain something")


def _length(value: Any) -> int:
    if isinstance(value, str | list | Mapping):
        return len(value)
    raise ExpressionError("length is of a text, a list or an object")


def _lines(value: Any) -> list[str]:
    if not isinstance(value, str):
        raise ExpressionError("lines is of a text")
    return [line.strip() for line in value.splitlines() if line.strip()]


def _from_json(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError, RecursionError):
        raise ExpressionError("fromJson is of a text that holds JSON") from None


_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "length": (1, _length),
    "lines": (1, _lines),
    "json": (1, lambda value: json.dumps(value, ensure_ascii=False)),
    "fromJson": (1, _from_json),
    "contains": (2, _contains),
    "default": (2, lambda wanted, otherwise: wanted),  # `evaluate` knows it
    "not": (1, operator.not_),
    "and": (2, lambda left, right: left and right),
    "or": (2, lambda left, right: left or right),
    "==": (2, _equal),
    "!=": (2, lambda left, right: not _equal(left, right)),
    "in": (2, lambda part, whole: _contains(whole, part)),
    "not in": (2, lambda part, whole: not _contains(whole, part)),
    **{sign: (2, _less(sign)) for sign in _ORDERS},
}
FUNCTIONS = ("length", "lines", "json", "fromJson", "contains", "default")
_COMPARISONS = frozenset({"==", "!=", "in", *_ORDERS})


class _Parser:
    """Reads one expression, token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._either()
        if self._at < len(self._tokens):
            raise ExpressionError(f"{self._tokens[self._at][1]!r} is not expected there, in {self._text.strip()!r}")
        return node

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH:
            raise ExpressionError(f"is nested more than {DEPTH} levels deep")
        node = self._both()
        while self._take("name", "or"):
            node = Call("or", (node, self._both()))
        self._depth -= 1
        return node

    def _both(self) -> Node:
        node = self._negated()
        while self._take("name", "and"):
            node = Call("and", (node, self._negated()))
        return node

    def _negated(self) -> Node:
        negations = 0
        while self._take("name", "not"):
            negations += 1
        node = self._compared()
        return (
            node if not negations else Call("not", (node,)) if negations % 2 else Call("not", (Call("not", (node,)),))
        )

    def _compared(self) -> Node:
        left = self._value()
        kind, sign = self._peek()
        if (kind, sign) == ("name", "not") and self._peek(1) == ("name", "in"):
            self._at += 2
            return Call("not in", (left, self._value()))
        if kind in ("sign", "name") and sign in _COMPARISONS:
            self._at += 1
            return Call(sign, (left, self._value()))
        return left

    def _value(self) -> Node:
        kind, text = self._peek()
        self._at += 1
        match kind:
            case "number":
                return Literal(float(text) if "." in text else int(text))
            case "text":
                return Literal(text[1:-1])
            case "name" if text in _LITERALS:
                return Literal(_LITERALS[text])
            case "name" if self._peek() == ("sign", "("):
                return self._call(text)
            case "name" if text not in ("and", "or", "in"):
                return self._path(text)
            case "sign" if text == "(":
                node = self._either()
                self._expect(")")
                return node
            case "sign" if text == "[":
                return Items(self._until("]"))
        raise ExpressionError(f"a value is missing in {self._text.strip()!r}")

    def _call(self, name: str) -> Node:
        self._expect("(")
        arguments = self._until(")")
        if name not in FUNCTIONS:
            raise ExpressionError(f"there is no function {name!r}; there are {', '.join(FUNCTIONS)}")
        wanted = _FUNCTIONS[name][0]
        if len(arguments) != wanted:
            raise ExpressionError(f"{name} takes {wanted} values, not {len(arguments)}")
        return Call(name, arguments)

    def _until(self, closing: str) -> tuple[Node, ...]:
        if self._take("sign", closing):
            return ()
        parts = [self._either()]
        while self._take("sign", ","):
            parts.append(self._either())
        self._expect(closing)
        return tuple(parts)

    def _path(self, first: str) -> Node:
        path: list[str | int] = [first]
        while True:
            if self._take("sign", "."):
                path.append(self._next("name", "a name behind the dot"))
            elif self._take("sign", "["):
                kind, text = self._peek()
                if kind not in ("number", "text") or "." in (text if kind == "number" else ""):
                    raise ExpressionError("a number or a text is missing in [ ]")
                self._at += 1
                path.append(int(text) if kind == "number" else text[1:-1])
                self._expect("]")
            else:
                return Reference(tuple(path))

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else ("end", "")

    def _take(self, kind: str, text: str) -> bool:
        found = self._peek() == (kind, text)
        self._at += found
        return found

    def _next(self, kind: str, what: str) -> str:
        found, text = self._peek()
        if found != kind:
            raise ExpressionError(f"{what} is missing in {self._text.strip()!r}")
        self._at += 1
        return text

    def _expect(self, sign: str) -> None:
        if not self._take("sign", sign):
            raise ExpressionError(f"{sign!r} is missing in {self._text.strip()!r}")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise ExpressionError(f"{text[at:].strip()[:20]!r} cannot be read, in {text.strip()!r}")
        at = found.end()
        yield str(found.lastgroup), found[found.lastgroup or 0]
