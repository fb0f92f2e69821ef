"""`agent-swarm workflow`: stages that wait for each other, from a file."""

import click

from agent_swarm.cli.lazy import Lazy, LazyGroup

COMMANDS = {
    "Carry them out": {
        "run": Lazy("agent_swarm.cli.workflow.running:run", "Start a workflow from a file."),
        "runs": Lazy("agent_swarm.cli.workflow.running:runs", "List runs of workflows, the latest first."),
        "show": Lazy("agent_swarm.cli.workflow.running:show", "Show how a run stands, stage by stage."),
        "cancel": Lazy("agent_swarm.cli.workflow.running:cancel", "End a run, with everything that is open of it."),
    },
    "Look at files": {
        "validate": Lazy("agent_swarm.cli.workflow.looking:validate", "Say what is wrong with a file, and where."),
        "list": Lazy("agent_swarm.cli.workflow.looking:list_", "List the stages of a file, in their order."),
        "schema": Lazy("agent_swarm.cli.workflow.looking:schema", "Print the JSON Schema of workflow files."),
        "import": Lazy(
            "agent_swarm.cli.workflow.importing:import_", "Print a workflow file made of one of another system."
        ),
    },
}


@click.group(cls=LazyGroup, sections=COMMANDS)
def workflow() -> None:
    """Carry out stages that wait for each other.

    A file says what is done: scripts and small things that the server does by itself, and tasks for agents, with
    conditions, loops, and gates at which people are asked.

    \b
    Examples:
      agent-swarm workflow validate release.yaml
      agent-swarm workflow run release.yaml --input version=1.4 --wait
    """
