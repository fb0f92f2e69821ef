"""JSON Schemas as tables: the fields of what travels."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scripts.docs.markdown import anchor, code, table

Schema = Mapping[str, Any]
Link = Callable[[str], str]

_LIMITS = {
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "ge": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "le": "at most {}",
    "maxItems": "at most {} of them",
}


def link_here(name: str) -> str:
    """A model with a section on the same page."""
    return f"[{name}](#{anchor(name)})"


def fields(schema: Schema, link: Link = link_here) -> str:
    """The fields of an object."""
    required = set(schema.get("required", ()))
    rows = []
    for name, one in schema.get("properties", {}).items():
        must = "yes" if name in required else ""
        rows.append((code(name), kind(one, link), must, "; ".join(bounds(one, is_required=name in required))))
    return table(("Field", "Type", "Must be there", "Bounds"), rows)


def kind(schema: Schema, link: Link = link_here) -> str:
    """The type of a value in words."""
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(kind(one, link) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(code(json.dumps(value)) for value in values)
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema['items'], link)}" if schema.get("items") else "list"
        case "object":
            more = schema.get("additionalProperties")
            return f"object of {kind(more, link)}" if isinstance(more, Mapping) and more else "object"
        case "string":
            return str(schema.get("format", "text"))
        case None:
            return "any"
        case other:
            return {"null": "null", "boolean": "true or false", "integer": "whole number"}.get(str(other), str(other))


def references(value: Any) -> Iterator[str]:
    """The names of the models that a schema, or anything with schemas in it, refers to."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner.rpartition("/")[2]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def bounds(schema: Schema, *, is_required: bool = False) -> Iterator[str]:
    """What is asked of a value beside its type, in words."""
    if not is_required and schema.get("default") not in (None, "", [], {}):
        yield f"default {code(json.dumps(schema['default']))}"
    for part in (schema, *schema.get("anyOf", ())):
        yield from _limits(part)
        if isinstance(part.get("items"), Mapping):
            yield from (f"each {limit}" for limit in _limits(part["items"]))


def _limits(schema: Schema) -> Iterator[str]:
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if longest is not None and shortest == longest:
        yield f"{longest} characters"
        return
    if shortest or schema.get("minItems"):
        yield "not empty"
    for name, words in _LIMITS.items():
        if name in schema:
            yield words.format(f"{schema[name]:,.15g}")
    if "pattern" in schema:
        yield f"matches {code(schema['pattern'])}"
