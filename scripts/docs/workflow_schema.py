"""The JSON Schema of workflow files, for editors."""

import json

from agent_swarm.workflows.schema import workflow_schema


def render() -> str:
    """The text of `docs/contract/workflow.schema.json`."""
    return json.dumps(workflow_schema(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
