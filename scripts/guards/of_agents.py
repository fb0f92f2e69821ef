"""The guards of agents below agents: who may be introduced and stopped by whom, and that a stop covers all it names."""

from scripts.guards.guard import Guard

TREE, APPLYING = "src/agent_swarm/domain/agent_tree.py", "src/agent_swarm/store/applying/agent_tree.py"
SAYS, CLAIMS = "src/agent_swarm/services/agent_tree.py", "src/agent_swarm/store/applying/claims.py"
WORK, AGENTS = "src/agent_swarm/store/applying/work.py", "src/agent_swarm/store/applying/agents.py"
DISPATCHER, WAITING = (f"src/agent_swarm/services/dispatch/{name}.py" for name in ("dispatcher", "waiting"))
VERSIONS, PROFILES = "src/agent_swarm/store/applying/agent_profiles.py", "tests/store/test_agent_profiles.py"
STATEMENTS = "src/agent_swarm/store/sql/statements.py"

KEPT, SERVED = "tests/store/test_agent_tree.py", "tests/server/test_agent_tree.py"
HANDED_OUT = "tests/services/dispatch/test_agents_changed.py"
COMMANDS, CLAIMING = "src/agent_swarm/domain/transitions.py", "src/agent_swarm/services/claiming.py"
CLAIMED = "tests/server/test_claiming.py"
GIVEN_BACK = f"{CLAIMED}::test_given_a_run_when_its_agent_gives_the_task_back_then_others_get_it_a_little_later"
SERVERS = "tests/store/test_agent_tree_servers.py"
OFFERS, OFFERED = "src/agent_swarm/store/applying/offers.py", "tests/store/test_offers.py"

GUARDS = (
    Guard(
        "a stopped agent claims nothing",
        CLAIMS,
        "                if agent.is_stopped:\n",
        "                if False:\n",
        (f"{KEPT}::test_given_a_stop_and_a_claim_in_one_batch_when_it_is_applied_then_the_stop_comes_first",),
    ),
    Guard(
        "claims of several servers meet a stop at the agent's row",
        STATEMENTS,
        "lock_agents = agents_by_id.order_by(agent.c.id).with_for_update()\n",
        "lock_agents = agents_by_id.order_by(agent.c.id)\n",
        (
            f"{SERVERS}::test_given_a_stop_before_its_commit_when_another_server_claims_for_the_agent_then_it_gets_nothing",
        ),
        is_slow=True,
    ),
    Guard(
        "a stopped agent is offered nothing",
        OFFERS,
        "    if agent.is_stopped:\n        raise refusals.agent_stopped(agent)\n",
        "",
        (f"{OFFERED}::test_given_a_stopped_agent_when_it_is_offered_a_task_then_that_is_refused_until_it_is_started",),
    ),
    Guard(
        "what a stopped agent has not answered is for all",
        APPLYING,
        "        offers.give_back(work, agent.profile.id, actor=op.actor)\n",
        "        pass\n",
        (f"{OFFERED}::test_given_an_open_offer_when_its_agent_is_stopped_then_all_may_take_it_at_once",),
    ),
    Guard(
        "who is introduced for a swarm is in there",
        APPLYING,
        "        agent = swarms.enter(work, agent, swarm, actor=op.actor)\n",
        "        pass\n",
        (
            f"{KEPT}::test_given_an_agent_that_is_introduced_for_a_swarm_then_it_is_in_there_and_its_worker_chooses_no_other",
        ),
    ),
    Guard(
        "the swarm of who is introduced is that of the task",
        SAYS,
        "        profile = replace(agent.profile, swarm_id=None if task is None else task.spec.swarm_id)\n",
        "        profile = agent.profile\n",
        (f"{SERVED}::test_given_a_lead_that_works_for_a_swarm_when_it_introduces_agents_then_they_are_in_there",),
    ),
    Guard(
        "who is known outside does not work for a swarm",
        APPLYING,
        "    return known.name == wanted.name and wanted.profile.swarm_id in (None, known.profile.swarm_id)\n",
        "    return known.name == wanted.name\n",
        (f"{KEPT}::test_given_a_name_that_is_known_outside_when_it_is_introduced_for_a_swarm_then_another_agent_is",),
    ),
    Guard(
        "a stop covers those below",
        APPLYING,
        "    if op.recursive:\n",
        "    if False:\n",
        (
            f"{KEPT}::test_given_a_tree_when_its_root_is_stopped_with_all_below_then_each_is_and_who_comes_later_is_born_so",
        ),
    ),
    Guard(
        "below a stopped agent one is born stopped",
        APPLYING,
        "        stopped_at=parent.stopped_at,\n",
        "        stopped_at=None,\n",
        (
            f"{KEPT}::test_given_a_tree_when_its_root_is_stopped_with_all_below_then_each_is_and_who_comes_later_is_born_so",
        ),
    ),
    Guard(
        "what a stopped agent ran goes to others",
        WORK,
        "            elif change.state.pause_reason in _FOR_OTHERS:\n",
        "            elif False:\n",
        (
            f"{KEPT}::test_given_a_running_agent_when_it_is_stopped_then_its_task_goes_to_another_one_and_it_gets_nothing",
        ),
    ),
    Guard(
        "a stop outlives the worker",
        AGENTS,
        "        stopped_at=old.stopped_at,\n",
        "",
        (f"{KEPT}::test_given_a_stopped_agent_when_its_worker_comes_back_then_it_is_stopped_still",),
    ),
    Guard(
        "an agent does not undo what a person laid down",
        TREE,
        '    return not actor.startswith("agent:") or stopped_by.startswith("agent:")\n',
        "    return True\n",
        (f"{KEPT}::test_given_a_stop_by_a_person_when_an_agent_starts_it_then_it_is_refused_and_passed_over_below",),
    ),
    Guard(
        "what an agent has stopped a person may stop for good",
        TREE,
        '    return not stopped_by or (stopped_by.startswith("agent:") and not actor.startswith("agent:"))\n',
        "    return not stopped_by\n",
        (f"{KEPT}::test_given_a_stop_by_an_agent_when_a_person_stops_it_as_well_then_no_agent_starts_it",),
    ),
    Guard(
        "an agent introduces below itself",
        SAYS,
        "        if parent_id not in (None, by.agent_id):\n",
        "        if False:\n",
        (f"{SERVED}::test_given_a_lead_when_it_names_another_parent_then_it_is_denied",),
    ),
    Guard(
        "an agent has a say in those below it",
        SAYS,
        "    if by.task_id is None:\n        return\n",
        "    return\n",
        (f"{SERVED}::test_given_a_lead_when_it_stops_and_starts_agents_then_only_those_below_it",),
    ),
    Guard(
        "an agent introduces so many",
        TREE,
        "    if children >= caps.children:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_caps_when_agents_introduce_agents_then_no_more_and_no_deeper_than_they_say",),
    ),
    Guard(
        "an agent below may no more than the one above",
        TREE,
        "    if wanted.profile.is_within(own.profile):\n",
        "    if True:\n",
        (
            f"{KEPT}::test_given_an_agent_below_another_when_it_is_given_more_than_that_one_has_then_that_is_refused",
            f"{SERVED}::test_given_a_lead_under_a_profile_when_it_introduces_agents_then_they_may_no_more",
        ),
    ),
    Guard(
        "a narrower profile narrows those below",
        APPLYING,
        "    _narrow_below(work, agent, op)\n",
        "",
        (f"{KEPT}::test_given_an_agent_when_its_profile_is_narrowed_then_so_is_that_of_those_below_that_may_more",),
    ),
    Guard(
        "a worker's report does not undo what people said",
        AGENTS,
        "        agent = meet_report(work, _with_what_is_laid_down(agent, old))\n",
        "        agent = _with_what_is_laid_down(agent, old)\n",
        (f"{PROFILES}::test_given_a_profile_when_the_worker_registers_with_something_else_then_it_is_not_overwritten",),
    ),
    Guard(
        "a profile is written over the version that was read",
        VERSIONS,
        "    require_version(op.agent_id, current=agent.profile_version, expected=op.expected)\n",
        "",
        (f"{PROFILES}::test_given_two_who_read_the_same_version_when_both_write_then_the_second_learns_of_it",),
    ),
    Guard(
        "an agent does not choose its own tags",
        VERSIONS,
        "    if op.is_own:\n",
        "    if False:\n",
        (f"{PROFILES}::test_given_an_agent_when_it_writes_its_own_profile_then_nothing_that_decides_about_tasks",),
    ),
    Guard(
        "a profile gives a worker no capability",
        "src/agent_swarm/domain/agent_profiles.py",
        "        if one.startswith(_ALWAYS_OFFERED) or any(capability_matches(pattern, one) for pattern in patterns)\n",
        "        if True\n",
        (
            f"{PROFILES}::test_given_capabilities_that_are_chosen_then_they_are_of_what_the_worker_offers_and_what_it_enforces_stays",
        ),
    ),
    Guard(
        "a claim looks at the tags that count now",
        CLAIMS,
        "    return tuple(one for one in class_ids if serves(agent.profile, work.rows.requirements(one)))\n",
        "    return class_ids\n",
        (
            f"{PROFILES}::test_given_other_tags_when_a_credit_comes_that_knows_the_old_ones_then_it_gets_nothing_unsuitable",
        ),
    ),
    Guard(
        "other tags reach dispatch at once",
        DISPATCHER,
        "            self._redescribe(agent.profile)\n",
        "            pass\n",
        (f"{HANDED_OUT}::test_given_a_waiting_credit_when_people_give_its_agent_other_tags_then_it_claims_by_those",),
    ),
    Guard(
        "a swarm reaches who was described",
        DISPATCHER,
        '            case "swarm.joined" | "swarm.left" if event.data["agentId"] in self._described:\n',
        '            case "swarm.joined" | "swarm.left" if False:\n',
        (
            f"{HANDED_OUT}::test_given_an_agent_that_people_described_when_it_joins_a_swarm_then_it_gets_what_that_has_to_do",
        ),
    ),
    Guard(
        "nobody waits because of a stopped agent",
        WAITING,
        "            seat.is_stopped = True\n            seat.kind.idle.pop(seat, None)\n",
        "            seat.is_stopped = True\n",
        (f"{HANDED_OUT}::test_given_the_longest_idle_agent_stopped_when_tasks_come_then_the_other_gets_them_at_once",),
    ),
    Guard(
        "the credit of a stopped agent is kept",
        DISPATCHER,
        "            self._put_back(credit)\n            return True\n",
        "            return True\n",
        (
            f"{HANDED_OUT}::test_given_a_claim_under_way_when_its_agent_is_stopped_before_it_then_the_task_goes_to_another",
        ),
    ),
    Guard(
        "a server that starts knows who is stopped",
        DISPATCHER,
        "        self._stopped.update(await self._store.read(lambda queries: queries.stopped_agents()))\n",
        "",
        (f"{HANDED_OUT}::test_given_a_stopped_agent_when_the_server_starts_anew_then_it_gets_nothing",),
    ),
    Guard(
        "an agent claims no more than it has slots for",
        CLAIMING,
        "    elif held >= agent.slots:\n",
        "    elif False:\n",
        (f"{CLAIMED}::test_given_an_agent_without_room_when_it_claims_then_it_is_refused_and_the_task_is_for_all",),
    ),
    Guard(
        "an agent gives back its own task",
        CLAIMING,
        "    if by.task_id != task_id or by.fence is None:\n",
        "    if by.fence is None:\n",
        (f"{CLAIMED}::test_given_a_task_of_somebody_else_when_an_agent_gives_it_back_then_it_is_denied",),
    ),
    Guard(
        "an attempt that is over gives nothing back",
        COMMANDS,
        "            if command.fence is not None:\n",
        "            if False:\n",
        (f"{CLAIMED}::test_given_an_attempt_that_is_over_when_it_gives_the_task_back_then_the_next_one_goes_on",),
    ),
    Guard(
        "what is given back is for others",
        WORK,
        "_FOR_OTHERS = (PauseReason.STOP, PauseReason.RELEASE)",
        "_FOR_OTHERS = (PauseReason.STOP,)",
        (GIVEN_BACK,),
    ),
    Guard(
        "what is given back waits a little",
        COMMANDS,
        "not_before=now + GIVEN_BACK.bound(ended.attempt) if is_given_back else ended.not_before",
        "not_before=ended.not_before",
        (GIVEN_BACK,),
    ),
)
