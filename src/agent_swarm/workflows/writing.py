"""Workflow files, written: from values, as people would write them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

WIDTH = 110


@dataclass(frozen=True, slots=True)
class Translated:
    """The YAML that something else became, and what of it has no place here."""

    text: str
    left_out: tuple[str, ...]


def as_yaml(workflow: Mapping[str, Any]) -> str:
    """The text of a workflow file."""
    return str(yaml.dump(dict(workflow), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH))


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Texts of several lines stand as they are."""


def _text(dumper: yaml.SafeDumper, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
