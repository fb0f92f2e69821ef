"""The guards of triggers: that each ending is acted on once, that loops end, and where webhooks may not go."""

from scripts.guards.guard import Guard

ENDINGS, APPLYING = "src/agent_swarm/store/applying/endings.py", "src/agent_swarm/store/applying/triggers.py"
TRIGGERING, CASCADE = "src/agent_swarm/store/triggering.py", "src/agent_swarm/store/applying/work.py"
INPUT, FIRING = "src/agent_swarm/services/trigger_input.py", "src/agent_swarm/services/trigger_firing.py"
SENDING, DELIVERING = (
    "src/agent_swarm/services/webhooks/sending.py",
    "src/agent_swarm/services/webhooks/delivering.py",
)
RULES, HOOKS = "src/agent_swarm/domain/triggers.py", "src/agent_swarm/domain/webhooks.py"

KEPT, SERVED, SENT = "tests/store/test_triggers.py", "tests/server/test_triggers.py", "tests/server/test_webhooks.py"
VALUES, HOOK_VALUES = "tests/domain/test_triggers.py", "tests/domain/test_webhooks.py"

GUARDS = (
    Guard(
        "triggers fire for all that a batch ends",
        CASCADE,
        "        fire_triggers(self, all_ended)\n",
        "",
        (f"{KEPT}::test_given_tasks_that_end_by_a_cascade_or_at_once_then_triggers_fire_for_them_too",),
    ),
    Guard(
        "a trigger fires for the endings that it is about",
        ENDINGS,
        "    own = [trigger for trigger in found.get(task_id, ()) if status.value in trigger.events]\n",
        "    own = list(found.get(task_id, ()))\n",
        (f"{KEPT}::test_given_triggers_of_a_task_when_it_ends_then_those_that_are_about_such_an_end_fire",),
    ),
    Guard(
        "a standing trigger fires for the tasks that fit it",
        ENDINGS,
        " if fits(trigger.wanted, task))]",
        ")]",
        (f"{KEPT}::test_given_filters_when_tasks_end_then_those_that_fit_fire",),
    ),
    Guard(
        "a trigger that is paused fires for nothing",
        ENDINGS,
        "        if trigger.status is TriggerStatus.ACTIVE:\n",
        "        if True:\n",
        (
            f"{KEPT}::test_given_a_trigger_that_is_paused_or_removed_when_tasks_end_then_nothing_fires_and_what_fired_is_refused",
        ),
    ),
    Guard(
        "answering messages fires nothing",
        ENDINGS,
        "    if work.get(CONVERSATIONS, task_id) is not None:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_a_task_in_which_an_agent_answers_messages_when_it_ends_then_nothing_fires",),
    ),
    Guard(
        "a firing is settled once",
        APPLYING,
        "    if firing is None or not firing.is_pending:\n",
        "    if firing is None:\n",
        (
            f"{KEPT}::test_given_a_firing_when_two_servers_settle_it_then_one_task_is_filed_below_the_one_that_ended",
            f"{KEPT}::test_given_a_message_when_its_firing_is_settled_twice_then_it_is_posted_once",
        ),
    ),
    Guard(
        "nothing is made while the kill switch is on",
        APPLYING,
        "    if stopping(work.rows.killed(), NO_AGENT, *swarms) is not None:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_the_kill_switch_when_a_firing_is_settled_then_it_waits",),
    ),
    Guard(
        "what has fired of a removed trigger is refused",
        APPLYING,
        '    problem, made = op.problem or _gone(trigger), ""\n',
        '    problem, made = op.problem, ""\n',
        (
            f"{KEPT}::test_given_a_trigger_that_is_paused_or_removed_when_tasks_end_then_nothing_fires_and_what_fired_is_refused",
        ),
    ),
    Guard(
        "chains of triggers have an end",
        RULES,
        "    if depth >= DEPTH:\n",
        "    if False:\n",
        (
            f"{VALUES}::test_given_a_chain_of_triggers_or_many_tasks_below_one_root_then_there_is_an_end",
            f"{KEPT}::test_given_a_chain_of_triggers_when_each_files_the_next_then_it_ends_at_the_depth",
        ),
    ),
    Guard(
        "how deep a chain is counts up",
        APPLYING,
        "    depth = 1 if led is None else led.depth + 1\n",
        "    depth = 1\n",
        (f"{KEPT}::test_given_a_chain_of_triggers_when_each_files_the_next_then_it_ends_at_the_depth",),
    ),
    Guard(
        "triggers file so many tasks below a root",
        RULES,
        "    if made_below_root >= PER_ROOT:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_a_root_below_which_triggers_have_filed_many_when_one_more_fires_then_it_is_refused",),
    ),
    Guard(
        "a trigger posts so many messages an hour",
        RULES,
        "        if current.posted >= MESSAGES_PER_HOUR:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_trigger_that_posts_very_much_when_its_hour_is_full_then_it_is_refused_until_the_next",),
    ),
    Guard(
        "what cannot be done is kept as refused",
        APPLYING,
        "        except SwarmError as refused:\n            problem =",
        "        except SwarmError as refused:\n            raise\n            problem =",
        (f"{KEPT}::test_given_what_cannot_be_filed_when_it_is_settled_then_it_is_refused_and_nothing_else_happens",),
    ),
    Guard(
        "a trigger that fails all the time pauses itself",
        APPLYING,
        "    if trigger.failures >= FAILURES_MAX and",
        "    if False and",
        (f"{KEPT}::test_given_failures_in_a_row_when_there_are_very_many_then_a_standing_trigger_pauses_itself",),
    ),
    Guard(
        "a delivery is taken by one server at a time",
        TRIGGERING,
        "            if found is not None and found.look_at is not None and found.look_at <= desk.now:\n",
        "            if found is not None and found.look_at is not None:\n",
        (f"{KEPT}::test_given_a_webhook_when_servers_take_it_then_one_has_it_until_its_lease_is_over",),
    ),
    Guard(
        "a report on an older try is not heard",
        TRIGGERING,
        "        if found is None or not found.is_pending or found.tries != self.tries:\n",
        "        if found is None or not found.is_pending:\n",
        (f"{KEPT}::test_given_a_webhook_when_servers_take_it_then_one_has_it_until_its_lease_is_over",),
    ),
    Guard(
        "only webhooks are done again",
        TRIGGERING,
        "        if found.action is not TriggerAction.WEBHOOK:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_task_that_a_trigger_filed_when_it_is_to_be_done_again_then_it_is_refused",),
    ),
    Guard(
        "running agents have no webhooks sent",
        INPUT,
        "    if by.task_id is not None:\n",
        "    if False:\n",
        (f"{SERVED}::test_given_a_running_agent_when_it_wants_a_webhook_or_a_standing_trigger_then_it_is_refused",),
    ),
    Guard(
        "webhooks of tasks are signed",
        INPUT,
        "        if meant.action is TriggerAction.WEBHOOK and meant.reference is None:\n",
        "        if False:\n",
        (f"{SERVED}::test_given_a_webhook_with_a_task_when_it_names_no_secret_then_it_is_refused",),
    ),
    Guard(
        "what an agent's trigger files is filed as by that agent",
        FIRING,
        "        task_id=trigger.maker_task_id,\n",
        "        task_id=None,\n",
        (
            f"{SERVED}::test_given_a_lead_whose_profile_files_no_tasks_any_more_when_its_trigger_fires_then_it_is_refused",
        ),
    ),
    Guard(
        "an agent's trigger posts under its name",
        FIRING,
        "            sender=SYSTEM if maker.agent_id is None else maker.actor,\n",
        "            sender=SYSTEM,\n",
        (f"{SERVED}::test_given_a_message_of_an_agents_trigger_when_it_is_posted_then_the_agent_is_its_sender",),
    ),
    Guard(
        "results mention nobody",
        FIRING,
        "        meant = people.meant_by(own, channel=channel)\n",
        "        meant = people.meant_by(_text(own, task, with_result=True))\n",
        (f"{SERVED}::test_given_a_result_that_mentions_somebody_when_it_is_told_then_nobody_is_mentioned_by_it",),
    ),
    Guard(
        "webhooks go to public addresses",
        HOOKS,
        "        if is_public(address):\n            return True\n        names",
        "        return True\n        names",
        (
            f"{HOOK_VALUES}::test_given_an_address_that_is_not_public_when_nobody_vouches_for_it_then_nothing_is_sent",
            f"{SENT}::test_given_an_address_that_is_not_public_when_nobody_allows_it_then_it_is_refused_at_once",
        ),
    ),
    Guard(
        "the address that was judged is dialled",
        SENDING,
        "                    str(address),\n                    target.port,\n",
        "                    target.host,\n                    target.port,\n",
        (
            f"{SENT}::test_given_a_name_that_leads_elsewhere_the_next_moment_then_the_address_that_was_judged_is_dialled",
        ),
    ),
    Guard(
        "redirects and refusals are given up",
        HOOKS,
        "    if status >= 500 or status in _TRY_AGAIN:\n",
        "    if True:\n",
        (f"{HOOK_VALUES}::test_given_a_status_then_it_is_taken_tried_again_or_given_up",),
    ),
    Guard(
        "a delivery has a day",
        HOOKS,
        "    return at if at <= since + GIVE_UP_AFTER else None\n",
        "    return at\n",
        (f"{HOOK_VALUES}::test_given_an_endpoint_that_asks_for_a_pause_then_it_is_left_alone_as_long",),
    ),
    Guard(
        "the day of a delivery begins with its first try",
        TRIGGERING,
        "        since = one.since if one.tries else now\n",
        "        since = one.since\n",
        (f"{KEPT}::test_given_a_webhook_that_was_held_when_it_is_tried_then_its_day_begins_then",),
    ),
    Guard(
        "nothing is sent while the kill switch is on for the task",
        DELIVERING,
        "            if await self._store.read(lambda queries: _is_held(queries, letter.swarm_id)):\n",
        "            if False:\n",
        (f"{SENT}::test_given_the_kill_switch_of_a_swarm_when_a_task_of_it_ends_then_nothing_is_sent",),
    ),
)
