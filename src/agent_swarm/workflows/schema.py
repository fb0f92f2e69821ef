"""The JSON Schema of workflow files, for editors and for whoever writes such files by program."""

from typing import Any

from agent_swarm.workflows.document import Workflow

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def workflow_schema() -> dict[str, Any]:
    """The schema, made of the models."""
    return {"$schema": DIALECT, **Workflow.model_json_schema(by_alias=True), "title": "Agent Swarm workflow"}
