"""The root command: turns every expected failure into a message and an exit code."""

import os
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from agent_swarm.cli import failures
from agent_swarm.cli.lazy import LazyGroup
from agent_swarm.domain.errors import SwarmError


class Program(LazyGroup):
    """A command answers None or its exit code. A traceback is a bug of ours, never an answer."""

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        **extra: Any,
    ) -> NoReturn:
        extra["standalone_mode"] = False
        if os.environ.get("NO_COLOR"):
            extra.setdefault("color", False)
        raise SystemExit(self._exit_code(list(args) if args is not None else None, prog_name, complete_var, extra))

    def _exit_code(
        self, args: list[str] | None, prog_name: str | None, complete_var: str | None, extra: dict[str, Any]
    ) -> int:
        try:
            answer = super().main(args, prog_name, complete_var, **extra)
        except SwarmError as exc:
            failures.show(exc)
            return failures.exit_code_of(exc)
        except click.ClickException as exc:
            exc.show()
            return exc.exit_code
        except (click.Abort, KeyboardInterrupt):
            return failures.INTERRUPTED
        return answer if isinstance(answer, int) else failures.DONE
