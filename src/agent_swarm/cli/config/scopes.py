"""Where an entry counts, as people type it: `global`, `project:shop`, `agent:<id>`, `swarm:name`."""

from typing import Any, NamedTuple

import click

from agent_swarm.domain.configuration import ConfigScope


class Scoped(NamedTuple):
    """A scope and what it is about; None for the global one."""

    scope: str
    scope_id: str | None

    @property
    def fields(self) -> dict[str, str]:
        """As they travel."""
        return {"scope": self.scope, **({"scopeId": self.scope_id} if self.scope_id else {})}


GLOBAL = Scoped("global", None)


class ScopeType(click.ParamType[Scoped]):
    """`global`, or `project:NAME`, `swarm:NAME`, `agent:ID`."""

    name = "scope"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Scoped:
        if isinstance(value, tuple):
            return Scoped(*value)
        scope, colon, scope_id = str(value).partition(":")
        is_known = scope in list(ConfigScope)
        if not is_known or (scope == "global") == bool(scope_id) or (scope == "global" and colon):
            self.fail(f"{value!r} is no scope: give global, project:NAME, swarm:NAME or agent:ID", param, ctx)
        return Scoped(scope, scope_id or None)


scope_option = click.option(
    "--scope", type=ScopeType(), metavar="SCOPE", help="global, project:NAME, swarm:NAME or agent:ID."
)
