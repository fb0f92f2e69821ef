"""The guards of workflows: what runs on the server, for whom, and that nothing of a run is done twice."""

from scripts.guards.guard import Guard

MATCHING, DECIDING = "src/agent_swarm/domain/matching.py", "src/agent_swarm/workflows/deciding.py"
CHECKING, SOURCE = "src/agent_swarm/workflows/checking.py", "src/agent_swarm/workflows/source.py"
STARTING, FACTS = "src/agent_swarm/services/workflow_starting.py", "src/agent_swarm/services/workflow_facts.py"
SERVICE, PARTS = "src/agent_swarm/server/runner/service.py", "src/agent_swarm/server/runner/parts.py"
SCRIPTS = "src/agent_swarm/server/runner/scripts.py"
SCHEDULES = "src/agent_swarm/services/schedules.py"

FILES, DECIDED = "tests/workflows/test_workflow_files.py", "tests/workflows/test_workflow_deciding.py"
SERVED, RUN = "tests/server/test_workflows.py", "tests/server/test_workflow_scripts.py"
_ENDS = f"{DECIDED}::test_given_any_workflow_when_it_is_carried_out_then_it_ends_and_no_part_of_it_is_begun_twice"
_FAULTS = f"{FILES}::test_given_a_fault_when_a_file_is_read_then_its_line_and_what_was_expected_are_told"

GUARDS = (
    Guard(
        "parts of workflows are for runners alone",
        MATCHING,
        "(agent.agent_role is AgentRole.RUNNER) is not (RUNNER_CAPABILITY in needs.capabilities)",
        "False",
        (
            f"{SERVED}::test_given_a_worker_that_offers_what_runners_offer_when_a_part_waits_then_it_does_not_get_it",
            f"{SERVED}::test_given_a_task_for_anybody_when_only_a_runner_is_there_then_it_waits",
        ),
    ),
    Guard(
        "what is run is what a record says",
        PARTS,
        "    if part is None or part.kind is PartKind.AGENT:\n",
        "    if part is not None and part.kind is PartKind.AGENT:\n",
        (
            f"{SERVED}::test_given_a_task_for_runners_that_is_no_part_when_it_is_claimed_then_it_fails_and_nothing_is_run",
        ),
    ),
    Guard(
        "a script has no templates",
        CHECKING,
        "            if templates.has_template(stage.run):\n",
        "            if False:\n",
        (_FAULTS,),
    ),
    Guard(
        "only what is waited for is named",
        CHECKING,
        "        if name not in self._stages:\n",
        "        if False:\n",
        (_FAULTS,),
    ),
    Guard(
        "a file is bounded in what it holds",
        SOURCE,
        "        if self._count > VALUES or len(place) > DEPTH:\n",
        "        if len(place) > 900:\n",
        (
            f"{FILES}::test_given_names_that_stand_for_more_and_more_when_read_then_it_is_refused_before_all_of_it_is_made",
        ),
    ),
    Guard(
        "a gate that nobody has opened is closed",
        DECIDING,
        "        if facts.gate is GateAnswer.NO:\n",
        "        if False:\n",
        (f"{SERVED}::test_given_a_gate_when_a_person_denies_it_then_the_stage_fails",),
    ),
    Guard(
        "a denied answer is no yes",
        FACTS,
        "    is_yes = asked.status is ApprovalStatus.ANSWERED and asked.answers.get(GATE_QUESTION) is True\n",
        "    is_yes = True\n",
        (f"{SERVED}::test_given_a_gate_when_a_person_denies_it_then_the_stage_fails",),
    ),
    Guard(
        "items are filed once",
        DECIDING,
        "        begin = len(children)\n",
        "        begin = 0\n",
        (_ENDS,),
    ),
    Guard(
        "no more items at once than is said",
        DECIDING,
        "items[begin : begin + stage.max_parallel]",
        "items[begin:]",
        (_ENDS,),
    ),
    Guard(
        "scripts are for admins",
        STARTING,
        "    if rules.shell is ShellUse.ADMIN and not by.may(Scope.WORKFLOWS_ADMIN):\n",
        "    if False:\n",
        (f"{SERVED}::test_given_an_operator_when_it_schedules_scripts_or_has_a_schedule_start_some_then_it_is_denied",),
    ),
    Guard(
        "a schedule is given no scripts by who may run none",
        SCHEDULES,
        "                require_allowed(read(wanted.workflow), by, self._rules)\n",
        "                pass\n",
        (f"{SERVED}::test_given_an_operator_when_it_schedules_scripts_or_has_a_schedule_start_some_then_it_is_denied",),
    ),
    Guard(
        "a link in the place of the output is not followed",
        SCRIPTS,
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK",
        "os.O_RDONLY | os.O_NONBLOCK",
        (f"{RUN}::test_given_a_link_in_the_place_of_the_output_when_a_script_left_it_then_it_is_not_followed",),
        is_slow=True,
    ),
    Guard(
        "the kill switch ends scripts",
        SERVICE,
        '                case "task.cancelled" | "task.killed":\n',
        '                case "task.cancelled":\n',
        (f"{RUN}::test_given_a_script_at_work_when_the_kill_switch_is_used_then_it_is_dead_and_that_is_confirmed",),
        is_slow=True,
    ),
)
