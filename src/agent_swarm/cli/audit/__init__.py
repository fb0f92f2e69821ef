"""`agent-swarm audit`: the history of a swarm, and whether it is whole."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Without a server": {
        "verify": Lazy("agent_swarm.cli.audit.verify:verify", "Check that the history is whole and as it was signed."),
        "export": Lazy("agent_swarm.cli.audit.export:export", "Write events out, so that they can be checked alone."),
    },
    "With a server": {
        "log": Lazy("agent_swarm.cli.audit.log:log", "Show who did what, newest first."),
        "checkpoint": Lazy("agent_swarm.cli.audit.signing:checkpoint", "Have a checkpoint signed now."),
        "checkpoints": Lazy("agent_swarm.cli.audit.signing:checkpoints", "List the signed checkpoints, newest first."),
        "key": Lazy("agent_swarm.cli.audit.signing:key", "Print the public key that checkpoints are signed with."),
        "rotate-key": Lazy("agent_swarm.cli.audit.signing:rotate_key", "Have another key sign from now on."),
        "archive": Lazy("agent_swarm.cli.audit.archive:archive", "Move old events out of the database into files."),
    },
}


@click.group(cls=LazyGroup, sections=COMMANDS)
def audit() -> None:
    """Prove who did what: verify, sign, export the history.

    Every change is an event, and events are a chain: each has a hash over the one before. Checkpoints of that chain are
    signed and kept outside the database, so that who changes the database cannot change what it was.
    """
