"""The guards of results by a schema: nothing else is accepted, and no check costs more than it may."""

from scripts.guards.guard import Guard

SCHEMAS, OUTCOMES = "src/agent_swarm/services/result_schemas.py", "src/agent_swarm/services/outcomes.py"
REPORTING = "src/agent_swarm/server/mcp/tools/reporting.py"

CHECKED, SERVED = "tests/services/test_result_schemas.py", "tests/server/test_results.py"
UNUSABLE = f"{CHECKED}::test_given_a_schema_that_cannot_be_used_when_it_is_looked_at_then_the_place_is_named"

GUARDS = (
    Guard(
        "a run does not end with a result that does not match",
        SCHEMAS,
        "    if not found:\n        return told",
        "    if True:\n        return told",
        (f"{CHECKED}::test_given_a_result_that_does_not_match_when_the_run_ends_then_it_is_a_failure_of_the_agent",),
    ),
    Guard(
        "a stated result does not give way to what was said",
        SCHEMAS,
        "    data = told.data if is_stated else structured(told)\n",
        "    data = structured(told)\n",
        (f"{CHECKED}::test_given_a_result_that_does_not_match_when_the_run_ends_then_it_is_a_failure_of_the_agent",),
    ),
    Guard(
        "the schema of a task is asked for when its run ends",
        OUTCOMES,
        "    if terms is None or terms.result_schema is None or isinstance(told, wire.Fail):\n",
        "    if True:\n",
        (f"{SERVED}::test_given_a_run_that_ends_with_another_result_when_it_is_delivered_then_it_failed",),
    ),
    Guard(
        "an agent is told before its result counts",
        REPORTING,
        "            await results.require_match(self._store, task_id, asked.data)\n",
        "",
        (f"{SERVED}::test_given_a_result_that_does_not_match_when_an_agent_states_it_then_it_may_correct_it",),
    ),
    Guard("nothing is fetched for a schema", SCHEMAS, 'if reference != "#" and not', "if False and not", (UNUSABLE,)),
    Guard(
        "a schema does not refer to itself",
        SCHEMAS,
        "        if reference in self._open:\n",
        "        if False:\n",
        (UNUSABLE,),
    ),
    Guard("a schema has a depth", SCHEMAS, "        if depth > DEPTH:\n", "        if False:\n", (UNUSABLE,)),
    Guard(
        "a schema has no more parts than can be checked",
        SCHEMAS,
        "            if number > PARTS:\n",
        "            if False:\n",
        (f"{CHECKED}::test_given_a_schema_that_grows_without_end_when_it_is_looked_at_then_it_is_refused_at_once",),
    ),
    Guard(
        "a check has a bound",
        SCHEMAS,
        "    if parts * values > WORK:\n",
        "    if False:\n",
        (f"{CHECKED}::test_given_a_result_that_is_too_much_to_check_when_it_is_checked_then_that_is_said_at_once",),
    ),
    Guard(
        "no value of a result is told on",
        SCHEMAS,
        ', mask="the value", offline=True)',
        ", offline=True)",
        (
            f"{CHECKED}::test_given_a_result_that_does_not_match_when_it_is_checked_then_each_place_is_named_and_no_value_told",
        ),
    ),
)
