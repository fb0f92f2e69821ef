"""Whose notes are meant, as people type it: `swarm`, `swarm:checkout`, `project:shop`, `agent:<id>`."""

from typing import Any, NamedTuple

import click

from agent_swarm.cli.client import Json
from agent_swarm.domain.notes import THE_SWARM, NoteScope


class Placed(NamedTuple):
    """A scope and which one of it; None for the swarm that is everybody's."""

    scope: str
    scope_id: str | None

    @property
    def fields(self) -> dict[str, str]:
        """As they travel."""
        return {"scope": self.scope, **({"scopeId": self.scope_id} if self.scope_id else {})}


class PlaceType(click.ParamType[Placed]):
    """`swarm`, `swarm:NAME`, `project:NAME` or `agent:ID`."""

    name = "scope"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Placed:
        if isinstance(value, tuple):
            return Placed(*value)
        scope, colon, scope_id = str(value).partition(":")
        needs_one = scope != NoteScope.SWARM
        if scope not in list(NoteScope) or (needs_one and not scope_id) or (colon and not scope_id):
            self.fail(f"{value!r} is no scope: give swarm, swarm:NAME, project:NAME or agent:ID", param, ctx)
        return Placed(scope, scope_id or None)


place_option = click.option(
    "--scope", type=PlaceType(), metavar="SCOPE", help="swarm, swarm:NAME, project:NAME or agent:ID."
)


def place_shown(note: Json) -> str:
    """Whose note it is, as `--scope` takes it."""
    is_swarm = (note["scope"], note["scopeId"]) == (NoteScope.SWARM, THE_SWARM)
    return str(note["scope"]) if is_swarm else f"{note['scope']}:{note['scopeId']}"
