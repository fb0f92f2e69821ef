"""`agent-swarm config`: values and secrets that the server keeps."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Commands": {
        "set": Lazy("agent_swarm.cli.config.setting:set_value", "Store a value, or a secret."),
        "get": Lazy("agent_swarm.cli.config.showing:get", "Print one value."),
        "ls": Lazy("agent_swarm.cli.config.showing:ls", "List what is stored, without the values of secrets."),
        "rm": Lazy("agent_swarm.cli.config.removing:rm", "Remove a value, or whatever cannot be decrypted."),
    }
}


@click.group(cls=LazyGroup, sections=COMMANDS, aliases={"list": "ls"})
def config() -> None:
    """Store values and secrets for agents.

    What has the name of a variable becomes one of every agent it is for. An entry counts in its scope: global, or in
    one project, swarm or agent; the most specific one wins. Secrets are encrypted before they are stored.
    """
