"""JSON schemas as short as they can be: every agent carries those of all its tools in its context, all the time."""

from functools import lru_cache
from typing import Any

from pydantic import BaseModel

# Told by the refusal where somebody breaks them; a model reads them as noise.
_NOISE = frozenset({"title", "default", "maxLength", "minLength", "maxItems", "pattern", "additionalProperties"})
_NAMED = frozenset({"properties", "$defs"})  # what is in them are names, not words of the schema


@lru_cache
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """What a tool takes, without titles, defaults and lengths, and without references."""
    whole = model.model_json_schema(by_alias=True)
    definitions = whole.pop("$defs", {})
    whole.pop("description", None)  # the tool has its own
    short = _shortened(whole, definitions)
    short.setdefault("properties", {})
    return {**short, "additionalProperties": False}


def _shortened(schema: Any, definitions: dict[str, Any], *, names: bool = False) -> Any:
    if isinstance(schema, list):
        return [_shortened(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        named = dict(definitions[schema["$ref"].rpartition("/")[2]])
        named.pop("description", None)
        return _shortened({**named, **{name: one for name, one in schema.items() if name != "$ref"}}, definitions)
    if not names and (only := _not_null(schema)) is not None:
        rest = {name: one for name, one in schema.items() if name != "anyOf"}
        return _shortened({**only, **rest}, definitions)
    return {
        name: _shortened(one, definitions, names=name in _NAMED and not names)
        for name, one in schema.items()
        if names or name not in _NOISE
    }


def _not_null(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The one alternative to null; what may be null may be left out, too."""
    kept = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return kept[0] if len(kept) == 1 else None
