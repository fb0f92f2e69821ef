"""What changed between two OpenAPI documents of the server."""

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.contract.change import Change, Document, broken, differing, gone_and_new
from scripts.contract.shapes import Comparison, Direction

Operation = Mapping[str, Any]

_METHODS = ("get", "put", "post", "patch", "delete")


def changes(old: Document, new: Document) -> list[Change]:
    """Everything that is another, first the operations, then the error codes."""
    return [*_Documents(old, new).changes()]


class _Documents:
    def __init__(self, old: Document, new: Document) -> None:
        self._old = old
        self._new = new
        self._sent = Comparison(old, new, Direction.INPUT)
        self._read = Comparison(old, new, Direction.OUTPUT)

    def changes(self) -> Iterator[Change]:
        before, after = _operations(self._old), _operations(self._new)
        yield from gone_and_new(before, after, "paths", what="operation")
        for name in sorted(before.keys() & after.keys()):
            yield from self._operation(before[name], after[name], name)
        yield from _codes(self._old.get("x-error-codes", {}), self._new.get("x-error-codes", {}))

    def _operation(self, old: Operation, new: Operation, name: str) -> Iterator[Change]:
        yield from differing(old, new, ("operationId", "security"), name)
        kinds = (old.get("x-token-kinds", ()), new.get("x-token-kinds", ()))
        yield from gone_and_new(*kinds, name, what="kind of token")
        scopes = (old.get("x-scopes", ()), new.get("x-scopes", ()))
        yield from gone_and_new(*scopes, name, what="sufficient scope")
        yield from self._parameters(old, new, name)
        yield from self._body(old.get("requestBody", {}), new.get("requestBody", {}), f"{name} body")
        yield from self._answers(old["responses"], new["responses"], name)

    def _parameters(self, old: Operation, new: Operation, name: str) -> Iterator[Change]:
        before, after = _parameters(old), _parameters(new)
        yield from gone_and_new(before, before.keys() & after.keys(), name, what="parameter")
        for key in sorted(after.keys() - before.keys()):
            must = bool(after[key].get("required"))
            yield Change(name, f"added the {'required ' if must else ''}parameter {key}", breaks=must)
        for key in sorted(before.keys() & after.keys()):
            if after[key].get("required") and not before[key].get("required"):
                yield broken(f"{name} {key}", "has to be there now")
            yield from self._sent.of(before[key]["schema"], after[key]["schema"], f"{name} {key}")

    def _body(self, old: Operation, new: Operation, where: str) -> Iterator[Change]:
        if new.get("required") and not old.get("required"):
            yield broken(where, "has to be there now")
        yield from self._content(self._sent, old, new, where)

    def _answers(self, old: Operation, new: Operation, name: str) -> Iterator[Change]:
        """Successes as they were; how a route may refuse is for the error codes to promise."""
        before, after = ({code for code in side if code < "400"} for side in (old, new))
        yield from gone_and_new(before, after, name, what="success", may_come=False)
        for code in sorted(before & after):
            yield from self._content(self._read, old[code], new[code], f"{name} {code}")

    def _content(self, comparison: Comparison, old: Operation, new: Operation, where: str) -> Iterator[Change]:
        before, after = old.get("content", {}), new.get("content", {})
        yield from gone_and_new(before, after, where, what="media type")
        for kind in sorted(before.keys() & after.keys()):
            yield from comparison.of(before[kind].get("schema", {}), after[kind].get("schema", {}), where)


def _operations(document: Document) -> dict[str, Operation]:
    return {
        f"{method.upper()} {path}": methods[method]
        for path, methods in document.get("paths", {}).items()
        for method in _METHODS
        if method in methods
    }


def _parameters(operation: Operation) -> dict[str, Mapping[str, Any]]:
    return {f"{one['in']}.{one['name']}": one for one in operation.get("parameters", ())}


def _codes(old: Document, new: Document) -> Iterator[Change]:
    yield from gone_and_new(old, new, "x-error-codes", what="code")
    for code in sorted(old.keys() & new.keys()):
        yield from differing(old[code], new[code], ("status", "retryable"), f"x-error-codes {code}")
