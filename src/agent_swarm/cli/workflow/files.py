"""Workflow files, read on this machine."""

from typing import TYPE_CHECKING, Any

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.task.files import read_text

if TYPE_CHECKING:
    from agent_swarm.workflows.document import Workflow


def read_file(file: str) -> "tuple[str, Workflow]":
    """The text of a file, and the workflow it describes. Raises InvalidInput, line by line."""
    from agent_swarm.workflows.reading import read_workflow

    text = read_text(file, what="workflow")
    return text, read_workflow(text, called=file)


def inputs_of(workflow: "Workflow", given: tuple[str, ...]) -> dict[str, Any]:
    """What `--input NAME=VALUE` said, each value of the type that the workflow wants. Raises CommandFailed."""
    from agent_swarm.workflows.inputs import from_text

    inputs: dict[str, Any] = {}
    for one in given:
        name, is_given, text = one.partition("=")
        spec = workflow.inputs.get(name)
        if not is_given or spec is None:
            known = ", ".join(workflow.inputs) or "none"
            raise CommandFailed(f"--input {one!r}: expected NAME=VALUE", hint=f"the inputs of this workflow: {known}")
        try:
            inputs[name] = from_text(spec, text)
        except ValueError:
            raise CommandFailed(
                f"--input {name}: {text!r} is no {spec.type.value}", hint="write it as JSON, such as 3, true or [1, 2]"
            ) from None
    return inputs
