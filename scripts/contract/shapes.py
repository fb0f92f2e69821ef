"""What changed between two JSON Schemas, seen from whoever sends what they describe, or from whoever reads it.

What others send to us may get wider: everything that was taken still has to be. What we send may get richer: everything
that could be read still has to be there, as it was. Only what pydantic writes is understood.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from scripts.contract.change import Change, Document, allowed, broken, gone_and_new

Schema = Mapping[str, Any]

_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_EXACT = ("pattern", "format")


class Direction(Enum):
    """Who writes what a schema describes."""

    INPUT = "input"  # they send it to us
    OUTPUT = "output"  # we send it to them


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two documents whose schemas are compared in one direction."""

    old: Document
    new: Document
    direction: Direction
    seen: set[tuple[str, str]] = field(default_factory=set)

    def of(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        """What changed from one schema to the other; each pair of named models is looked at once."""
        yield from self._alternatives(_parts(self.old, old), _parts(self.new, new), where)
        is_optional = "default" in old and "default" in new
        if self.direction is Direction.INPUT and is_optional and old["default"] != new["default"]:
            yield broken(where, f"changed the default from {old['default']!r} to {new['default']!r}")

    def _alternatives(self, old: "Parts", new: "Parts", where: str) -> Iterator[Change]:
        is_input = self.direction is Direction.INPUT
        for kind in sorted(old.keys() - new.keys()):
            is_covered = _covers(new, kind)
            yield Change(where, f"is no longer {kind}", breaks=is_input and not is_covered)
        for kind in sorted(new.keys() - old.keys()):
            yield Change(where, f"may be {kind}", breaks=not is_input and not _covers(old, kind))
        for kind in sorted(old.keys() & new.keys()):
            yield from self._same_kind(old[kind], new[kind], where)

    def _same_kind(self, old: list[Schema], new: list[Schema], where: str) -> Iterator[Change]:
        """Of several schemas of one kind each has to have one on the other side that it gets along with."""
        if len(old) == len(new) == 1:
            yield from self._values(old[0], new[0], where)
            return
        ours, theirs = (old, new) if self.direction is Direction.INPUT else (new, old)
        for one in ours:
            pairs = [(one, other) if ours is old else (other, one) for other in theirs]
            if not any(self._fits(*pair, where) for pair in pairs):
                yield broken(where, f"one of the kinds of {one.get('type', 'value')} is not as it was")

    def _fits(self, old: Schema, new: Schema, where: str) -> bool:
        trial = Comparison(self.old, self.new, self.direction, set(self.seen))
        return not any(change.breaks for change in trial._values(old, new, where))

    def _values(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        names = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(names):
            if names in self.seen:
                return
            self.seen.add(names)
            where = names[1].rpartition("/")[2]
        yield from self._enumeration(old, new, where)
        yield from self._bounds(old, new, where)
        yield from self._fields(old, new, where)
        if "items" in old or "items" in new:
            yield from self.of(old.get("items", {}), new.get("items", {}), f"{where}[]")
        before, after = (schema.get("additionalProperties", True) for schema in (old, new))
        if before is not False and after is False:
            yield Change(where, "takes no other fields any more", breaks=self.direction is Direction.INPUT)
        elif before is False and after is not False:
            yield allowed(where, "takes other fields, too")
        elif isinstance(before, Mapping) or isinstance(after, Mapping):
            sides = [side if isinstance(side, Mapping) else {} for side in (before, after)]
            yield from self.of(sides[0], sides[1], f"{where}.*")

    def _enumeration(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        before, after = _values_of(old), _values_of(new)
        if before is None and after is None:
            return
        if before is None or after is None:
            narrows = after is not None
            what = "takes listed values only" if narrows else "may have any value"
            yield Change(where, what, breaks=narrows is (self.direction is Direction.INPUT))
            return
        yield from gone_and_new(before, after, where, what="value")

    def _bounds(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        is_input = self.direction is Direction.INPUT
        for key in (*_UPPER, *_LOWER, *_EXACT):
            before, after = old.get(key), new.get(key)
            if before == after:
                continue
            if key in _EXACT:
                breaks = after is not None if is_input else before is not None
            else:
                breaks = is_input and _is_tighter(key, before, after)
            yield Change(where, _moved(key, before, after), breaks)

    def _fields(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was_needed, is_needed = set(old.get("required", ())), set(new.get("required", ()))
        is_input = self.direction is Direction.INPUT
        for name in sorted(before.keys() - after.keys()):
            yield broken(where, f"removed the field {name}")
        for name in sorted(after.keys() - before.keys()):
            must = is_input and name in is_needed
            yield Change(where, f"added the {'required ' if must else ''}field {name}", breaks=must)
        for name in sorted(before.keys() & after.keys()):
            if name in is_needed - was_needed:
                yield Change(f"{where}.{name}", "has to be there now", breaks=is_input)
            if name in was_needed - is_needed:
                yield Change(f"{where}.{name}", "may be missing now", breaks=not is_input)
            yield from self.of(before[name], after[name], f"{where}.{name}")


Parts = dict[str, list[Schema]]


def _covers(parts: Parts, kind: str) -> bool:
    """Values of this kind are among those of `parts`."""
    return "any" in parts or (kind == "integer" and "number" in parts)


def _parts(document: Document, schema: Schema) -> Parts:
    """The alternatives of a schema by their kind, references followed."""
    found: Parts = {}
    for one in schema.get("anyOf", schema.get("oneOf", [schema])):
        if one is not schema and ("anyOf" in one or "oneOf" in one):
            inner = _parts(document, one)
        elif "$ref" in one:
            target = _target(document, one["$ref"])
            inner = {str(target.get("type", "any")): [{**target, "$ref": one["$ref"]}]}
        else:
            inner = {str(one.get("type", "any")): [one]}
        for kind, schemas in inner.items():
            found.setdefault(kind, []).extend(schemas)
    return found


def _target(document: Document, reference: str) -> Schema:
    found: Any = document
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return dict(found)


def _values_of(schema: Schema) -> list[str] | None:
    if "const" in schema:
        return [repr(schema["const"])]
    return [repr(value) for value in schema["enum"]] if "enum" in schema else None


def _moved(key: str, before: Any, after: Any) -> str:
    if before is None:
        return f"got the bound {key} {after!r}"
    return f"lost the bound {key} {before!r}" if after is None else f"moved {key} from {before!r} to {after!r}"


def _is_tighter(key: str, before: Any, after: Any) -> bool:
    if before is None or after is None:
        return before is None
    return bool(after < before if key in _UPPER else after > before)
