"""`agent-swarm workflow validate`, `list` and `schema`: what can be said of a file without a server."""

from typing import TYPE_CHECKING, Any

import click

from agent_swarm.cli.options import json_option
from agent_swarm.cli.output import print_json, print_table, say
from agent_swarm.cli.text import one_line
from agent_swarm.cli.workflow.files import read_file

if TYPE_CHECKING:
    from agent_swarm.workflows.document import AnyStage


@click.command()
@click.argument("file")
@json_option
def validate(file: str, *, as_json: bool) -> None:
    """Say what is wrong with a file, and where.

    FILE may be - for standard input. No server is needed. Whether projects, agents and profiles exist is looked at when
    it is run.

    \b
    Example:
      agent-swarm workflow validate release.yaml
    """
    _, found = read_file(file)
    if as_json:
        print_json({"name": found.name, "stages": len(found.stages), "valid": True})
    else:
        say(f"{file}: {found.name} is valid, {len(found.stages)} stages")


@click.command("list")
@click.argument("file")
@json_option
def list_(file: str, *, as_json: bool) -> None:
    """List the stages of a file, in their order.

    \b
    Example:
      agent-swarm workflow list release.yaml
    """
    from agent_swarm.domain.dependencies import in_creation_order

    _, found = read_file(file)
    order = in_creation_order({stage.name: stage.needs for stage in found.stages})
    stages = [found.stage(name) for name in order]
    if as_json:
        print_json({"name": found.name, "stages": [_told(stage) for stage in stages]})
        return
    rows = [
        (stage.name, stage.kind, ", ".join(stage.needs), one_line(_what(stage), 40), one_line(_how(stage), 60))
        for stage in stages
    ]
    print_table(("STAGE", "KIND", "NEEDS", "DOES", "HOW"), rows, empty="no stages")


@click.command()
def schema() -> None:
    """Print the JSON Schema of workflow files.

    For editors: name it in the first line of a file, as
    `# yaml-language-server: $schema=workflow.schema.json`.

    \b
    Example:
      agent-swarm workflow schema > workflow.schema.json
    """
    from agent_swarm.workflows.schema import workflow_schema

    print_json(workflow_schema())


def _told(stage: "AnyStage") -> dict[str, Any]:
    return stage.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _what(stage: "AnyStage") -> str:
    """What a stage does, in a few words."""
    return stage.description or str(
        getattr(stage, "run", "") or getattr(stage, "uses", "") or getattr(stage, "prompt", "")
    )


def _how(stage: "AnyStage") -> str:
    """Under which conditions it does it."""
    foreach = (
        stage.foreach if isinstance(stage.foreach, str) or stage.foreach is None else f"{len(stage.foreach)} items"
    )
    said = (
        f"if {stage.if_}" if stage.if_ else "",
        "asks people" if stage.gate else "",
        f"for each of {foreach}" if foreach else "",
        "goes on when it fails" if stage.continue_on_error else "",
    )
    return "; ".join(part for part in said if part)
