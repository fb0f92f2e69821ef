"""`agent-swarm auth`: the accounts that agent CLIs work with."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "claude": Lazy("agent_swarm.cli.auth.importing:claude", "Import an account of Claude Code."),
        "codex": Lazy("agent_swarm.cli.auth.importing:codex", "Import an account of Codex."),
        "status": Lazy("agent_swarm.cli.auth.status:status", "Show accounts, and which credentials rest until when."),
        "rm": Lazy("agent_swarm.cli.auth.importing:remove", "Forget an account."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS)
def auth() -> None:
    """Import accounts of agent CLIs, and see which rest.

    The server keeps accounts encrypted, refreshes them, and gives them to attempts. No command shows a token.
    """
