"""The guards of swarms: who runs what, what a pause and a stop hold back, and what attempts see of each other's."""

from scripts.guards.guard import Guard

MATCHING, CLAIMS = "src/agent_swarm/domain/matching.py", "src/agent_swarm/store/applying/claims.py"
SWARMS, KILLING = "src/agent_swarm/store/applying/swarms.py", "src/agent_swarm/store/applying/killing.py"
AGENTS, TASKS = "src/agent_swarm/store/applying/agents.py", "src/agent_swarm/store/applying/tasks.py"
FILING, STANDING = "src/agent_swarm/services/tasks.py", "src/agent_swarm/services/standing.py"
KV, REGISTRATION = "src/agent_swarm/services/kv.py", "src/agent_swarm/server/pool/registration.py"

KEPT, KILL = "tests/store/test_swarms.py", "tests/store/test_kill_switch.py"
PLUGIN = "tests/server/plugin/test_plugin.py"
SERVED, POOL = "tests/server/test_swarms.py", "tests/server/pool/test_pool_kill.py"

GUARDS = (
    Guard(
        "only agents of a swarm match its tasks",
        MATCHING,
        "        other_swarm=needs.swarm_id is not None and needs.swarm_id != agent.swarm_id,\n",
        "        other_swarm=False,\n",
        (f"{SERVED}::test_given_a_task_of_a_swarm_when_it_waits_then_it_says_what_would_change_that",),
    ),
    Guard(
        "a claim leaves out what its agent may not have any more",
        CLAIMS,
        "_served(work, agent, _open_classes(work, op, agent))",
        "_served(work, agent, op.class_ids)",
        (
            f"{KEPT}::test_given_an_agent_that_has_left_when_an_older_credit_of_it_is_answered_then_it_gets_nothing_of_the_swarm",
        ),
    ),
    Guard(
        "nothing of a paused swarm is claimed",
        CLAIMS,
        "    if own in work.rows.paused():\n        own = None\n",
        "",
        (f"{KEPT}::test_given_a_paused_swarm_when_its_agents_ask_then_what_runs_goes_on_and_nothing_begins",),
    ),
    Guard(
        "whoever works for a swarm stays in it",
        SWARMS,
        "        if work.swarm_of(work.must(task_id)) == swarm.id:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_an_agent_that_works_for_a_swarm_when_it_is_to_leave_then_that_is_refused",),
    ),
    Guard(
        "whoever is in a swarm that is stopped stays in it",
        SWARMS,
        "        if (switch.scope, switch.scope_id) == (SwitchScope.SWARM, swarm.id):\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_stopped_swarm_when_somebody_would_join_leave_or_delete_it_then_that_is_refused",),
    ),
    Guard(
        "a swarm with open tasks stays",
        SWARMS,
        "    if work.rows.open_in(swarm.id, 1):\n        raise swarms.has_open_tasks(swarm)\n",
        "",
        (f"{KEPT}::test_given_tasks_that_have_not_ended_when_a_swarm_is_deleted_then_that_is_refused",),
    ),
    Guard(
        "an agent that is in a swarm stays there when it registers",
        AGENTS,
        "    if op.swarm_id is None or agent.profile.swarm_id is not None:\n",
        "    if op.swarm_id is None:\n",
        (f"{KEPT}::test_given_a_worker_that_asks_for_a_swarm_when_it_registers_then_it_joins_unless_it_is_in_one",),
    ),
    Guard(
        "an agent that registers again stays in its swarm",
        AGENTS,
        "profile = replace(op.agent.profile, swarm_id=old.profile.swarm_id if old else None)",
        "profile = op.agent.profile",
        (f"{KEPT}::test_given_a_worker_that_asks_for_a_swarm_when_it_registers_then_it_joins_unless_it_is_in_one",),
    ),
    Guard(
        "the switch of a swarm ends what its agents do elsewhere",
        KILLING,
        "entry.state.agent_id in members or work.swarm_of(entry) == switch.scope_id",
        "work.swarm_of(entry) == switch.scope_id",
        (f"{KILL}::test_given_a_swarm_when_it_is_killed_then_its_tasks_and_its_agents_stop_and_others_go_on",),
    ),
    Guard(
        "the switch of a swarm ends the tokens of its agents",
        KILLING,
        "            for agent_id in work.rows.agents_in(switch.scope_id):\n",
        "            for agent_id in ():\n",
        (f"{KILL}::test_given_a_swarm_when_it_is_killed_then_its_tasks_and_its_agents_stop_and_others_go_on",),
    ),
    Guard(
        "nothing is filed in a swarm that is stopped",
        TASKS,
        "        if in_swarm or switch.scope is SwitchScope.ALL:\n",
        "        if switch.scope is SwitchScope.ALL:\n",
        (f"{KILL}::test_given_a_swarm_when_it_is_killed_then_its_tasks_and_its_agents_stop_and_others_go_on",),
    ),
    Guard(
        "an attempt files in the swarm of its own task",
        FILING,
        "    if by.task_id is not None and (named is None or named != inherited):\n",
        "    if False:\n",
        (f"{SERVED}::test_given_an_attempt_in_a_swarm_when_it_files_then_its_tasks_are_in_there_and_nowhere_else",),
    ),
    Guard(
        "an attempt sees the notes of its own swarm",
        STANDING,
        "        is_own = found is not None and found.id == by.swarm_id\n",
        "        is_own = True\n",
        (f"{SERVED}::test_given_notes_and_values_of_swarms_when_attempts_look_then_they_see_their_own_and_everybodys",),
    ),
    Guard(
        "an attempt sees the values of its own swarm",
        KV,
        "    if by.kind is TokenKind.ATTEMPT and (found is None or found.id != by.swarm_id):\n",
        "    if False:\n",
        (f"{SERVED}::test_given_notes_and_values_of_swarms_when_attempts_look_then_they_see_their_own_and_everybodys",),
    ),
    Guard(
        "a task that wants one of several tags is for who has one",
        MATCHING,
        "        wanted_tags=tuple(sorted(needs.any_tag)) if needs.any_tag.isdisjoint(agent.labels) else (),\n",
        "        wanted_tags=(),\n",
        (f"{PLUGIN}::test_given_a_task_with_tags_when_agents_claim_then_only_one_that_has_one_of_them_gets_it",),
    ),
    Guard(
        "what an agent was told of its task stays",
        "src/agent_swarm/store/applying/tasks.py",
        "    refusals.require_editable(entry.state)\n",
        "",
        (f"{PLUGIN}::test_given_a_task_that_an_agent_has_when_it_is_edited_then_that_is_refused",),
    ),
    Guard(
        "nothing of a task is changed where its status cannot be",
        "src/agent_swarm/services/plugin/board.py",
        "        command = _command(record, wanted.status, by)\n        edit = _edit(record, wanted, by)\n"
        "        if edit is not None:\n            await self._store.apply(edit)\n",
        "        edit = _edit(record, wanted, by)\n        if edit is not None:\n"
        "            await self._store.apply(edit)\n        command = _command(record, wanted.status, by)\n",
        (f"{PLUGIN}::test_given_a_status_that_cannot_be_put_when_fields_come_with_it_then_they_stay_too",),
    ),
    Guard(
        "an agent is in the chat of its own swarm alone",
        "src/agent_swarm/services/plugin/chat.py",
        "    if agent is None or swarm is None or agent.profile.swarm_id != swarm.id:\n",
        "    if agent is None or swarm is None:\n",
        (f"{PLUGIN}::test_given_attempts_when_they_read_and_write_chats_then_it_is_that_of_their_own_swarm",),
    ),
    Guard(
        "a mention in the chat of a swarm stays in it",
        "src/agent_swarm/services/recipients.py",
        "        if channel is None or self.queries.record(SWARMS, channel) is None:\n",
        "        if True:\n",
        (
            f"{PLUGIN}::test_given_the_chat_of_a_swarm_when_somebody_is_mentioned_by_role_or_name_then_only_those_in_it_are_woken",
        ),
    ),
    Guard(
        "the answer to an earlier question says nothing of the last one",
        "src/agent_swarm/store/families/project_copies.py",
        "asked.request_id != self.request_id or ",
        "",
        (
            f"{PLUGIN}::test_given_a_worker_that_answers_an_earlier_question_when_it_is_asked_anew_then_that_does_not_count",
        ),
    ),
    Guard(
        "a worker's own token joins nothing",
        REGISTRATION,
        "        if not by.may(Scope.SWARMS_WRITE):\n",
        "        if False:\n",
        (f"{POOL}::test_given_a_worker_that_asks_for_a_swarm_when_it_registers_then_it_is_in_there",),
    ),
)
