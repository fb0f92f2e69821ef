"""A workflow that was sent becomes the tasks of a run: read, allowed, given what it asks for, and checked."""

from agent_swarm.domain.errors import Denied, InvalidInput
from agent_swarm.protocol.rest_workflows import WorkflowInput, WorkflowRunInput
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity, Scope
from agent_swarm.services.workflow_filing import new_run, require_fileable
from agent_swarm.store.base import Queries
from agent_swarm.store.operations import NewTask
from agent_swarm.workflows.document import Workflow
from agent_swarm.workflows.inputs import with_defaults
from agent_swarm.workflows.reading import read_workflow, workflow_of
from agent_swarm.workflows.shell_use import ShellUse


def run_of(queries: Queries, wanted: WorkflowRunInput, *, by: Identity, rules: Rules) -> tuple[NewTask, ...]:
    """The tasks of a new run, the one for the whole first. Raises InvalidInput, Denied, and what filing raises."""
    workflow = read(wanted)
    require_allowed(workflow, by, rules)
    inputs = with_defaults(workflow, wanted.inputs)
    require_fileable(queries, workflow, by=by, rules=rules)
    return new_run(workflow, inputs, by=by.actor, caps=rules.root_caps)


def read(wanted: WorkflowInput) -> Workflow:
    """The workflow that was sent. Raises InvalidInput."""
    if (wanted.source is None) == (wanted.workflow is None):
        raise InvalidInput(
            "one of source and workflow is expected",
            hint="send the YAML of a file as `source`, or the same as JSON as `workflow`",
            details={"field": "source"},
        )
    if wanted.source is not None:
        return read_workflow(wanted.source)
    return workflow_of(wanted.workflow or {})


def require_allowed(workflow: Workflow, by: Identity, rules: Rules) -> None:
    """Raises Denied for agents, and for whoever may not have scripts run on the server's machine."""
    if by.task_id is not None:
        raise Denied("agents do not start workflows", hint="file a graph of tasks instead")
    if not workflow.has_shell:
        return
    if rules.shell is ShellUse.OFF:
        raise Denied(
            "this workflow has stages of kind shell, which this server does not run",
            hint="have workers run them (kind: swarm, harness: shell), or set AGENT_SWARM_WORKFLOW_SHELL",
        )
    if rules.shell is ShellUse.ADMIN and not by.may(Scope.WORKFLOWS_ADMIN):
        raise Denied(
            "this workflow has stages of kind shell, which run on the server's machine: only admins may start it",
            hint="have an admin start it, or have workers run them: kind: swarm, harness: shell",
        )
