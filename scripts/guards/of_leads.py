"""The guards of leads and of tools: how far an agent's say reaches, and what a wait lets go on."""

from scripts.guards.guard import Guard

LINEAGE, APPLYING = "src/agent_swarm/services/lineage.py", "src/agent_swarm/store/applying/waits.py"
WAITS, CATALOGUE = "src/agent_swarm/services/waits.py", "src/agent_swarm/server/mcp/catalogue.py"
SPEECH, TASKS = "src/agent_swarm/server/mcp/speech.py", "src/agent_swarm/server/mcp/protocol_tasks.py"

KEPT, SERVED = "tests/store/test_waits.py", "tests/server/test_waits.py"
MCP = "tests/server/mcp"
BODIES, ENDPOINT = "src/agent_swarm/server/bodies.py", "src/agent_swarm/server/mcp/endpoint.py"
CLIENTS = f"{MCP}/test_mcp_clients.py"

GUARDS = (
    Guard(
        "an agent has a say below its own task",
        LINEAGE,
        "    if by.task_id is None:\n",
        "    if True:\n",
        (f"{MCP}/test_mcp_tasks.py::test_given_a_lead_when_it_cancels_by_the_tool_then_only_below_its_own_task",),
    ),
    Guard(
        "an attempt makes its own task wait",
        WAITS,
        "    if by.task_id != task_id or by.fence is None:\n",
        "    if by.fence is None:\n",
        (f"{SERVED}::test_given_somebody_else_when_they_make_a_lead_wait_then_it_is_denied",),
    ),
    Guard(
        "an attempt that is over waits for nothing",
        APPLYING,
        '    require_lease(work.must(op.task_id).state, op.fence, "wait for tasks")\n',
        "",
        (f"{KEPT}::test_given_an_attempt_that_lost_its_lease_when_it_waits_then_the_one_that_has_it_goes_on",),
    ),
    Guard(
        "the end of tasks resumes only what waits for them",
        APPLYING,
        "    if (state.status, state.pause_reason) != (TaskStatus.PAUSED, PauseReason.TASKS):\n",
        "    if state.status is not TaskStatus.PAUSED:\n",
        (
            f"{KEPT}::test_given_a_wait_when_a_person_pauses_the_task_then_its_end_changes_nothing",
            f"{KEPT}::test_given_a_wait_when_the_kill_switch_is_turned_on_then_its_end_does_not_resume_the_task",
        ),
    ),
    Guard(
        "a wait is kept until the run has stopped",
        APPLYING,
        "    if found.is_under_way(state):\n        return False\n",
        "",
        (f"{KEPT}::test_given_a_run_that_has_yet_to_stop_when_its_wait_ends_then_it_waits_on_until_it_has",),
    ),
    Guard(
        "a tool is for those whom it is offered to",
        CATALOGUE,
        "            _require_access(tool, caller.identity)\n",
        "",
        (
            f"{MCP}/test_mcp_tools.py::test_given_a_worker_when_it_calls_what_is_not_for_it_then_each_is_denied_as_an_answer",
        ),
    ),
    Guard(
        "tasks of the protocol are for clients that know them",
        SPEECH,
        "    if not _follows_tasks(context):\n",
        "    if False:\n",
        (f"{MCP}/test_mcp_tasks.py::test_given_a_client_that_does_not_follow_tasks_then_it_gets_none_and_may_not_ask",),
    ),
    Guard(
        "a task of the protocol is cancelled by who may write tasks",
        TASKS,
        "        if not (by.may(Scope.TASKS_WRITE) or by.may(Scope.CHILDREN_CREATE)):\n",
        "        if False:\n",
        (f"{MCP}/test_mcp_tasks.py::test_given_a_viewer_when_it_follows_a_task_then_it_looks_and_does_nothing",),
    ),
    Guard(
        "what a task of the protocol asks is answered by who may answer",
        TASKS,
        "        if not by.may(Scope.APPROVALS_WRITE):\n            return []\n",
        "",
        (f"{MCP}/test_mcp_tasks.py::test_given_a_viewer_when_it_follows_a_task_then_it_looks_and_does_nothing",),
    ),
    Guard(
        "the next attempt is told what came of the tasks below",
        "src/agent_swarm/server/pool/briefing.py",
        "    told = (answers_to(queries, task_id), account_of(queries, task_id))\n",
        "    told = (answers_to(queries, task_id),)\n",
        (
            f"{SERVED}::test_given_a_lead_that_went_on_when_its_claim_is_looked_at_then_the_account_and_branches_are_in_it",
        ),
    ),
    Guard(
        "who sends too much gets to read the refusal",
        BODIES,
        "            if announced <= PASSED_OVER_BYTES and not _waits_to_send(scope):\n",
        "            if False:\n",
        (
            f"{CLIENTS}::test_given_a_message_of_ten_megabytes_when_it_is_posted_then_the_caller_is_told_and_goes_on",
            "tests/server/test_bodies.py",
        ),
    ),
    Guard(
        "what is no end of a body is not waited for",
        BODIES,
        "            while left > 0:\n",
        "            while True:\n",
        (
            "tests/server/test_error_shape.py::test_given_a_body_without_an_end_when_it_comes_in_pieces_then_it_is_refused_on_the_way",
        ),
    ),
    Guard(
        "a refusal before the protocol has the protocol's form",
        ENDPOINT,
        "    error_shape = staticmethod(as_protocol_error)\n",
        "",
        (
            f"{CLIENTS}::test_given_an_attempt_that_ends_while_its_client_is_there_when_it_calls_then_it_is_told_to_stop",
        ),
    ),
)
