"""The guards of budgets: what is admitted, booked once, given back once, and who goes on."""

from scripts.guards.guard import Guard

RULES, LEDGER = "src/agent_swarm/domain/budgets.py", "src/agent_swarm/store/applying/ledger.py"
ADMISSION, KEEPING = "src/agent_swarm/store/applying/admission.py", "src/agent_swarm/store/applying/budgets.py"
WORK, COMMANDS = "src/agent_swarm/store/applying/work.py", "src/agent_swarm/domain/transitions.py"
CLAIMS, DISPATCHER = "src/agent_swarm/store/applying/claims.py", "src/agent_swarm/services/dispatch/dispatcher.py"

DOMAIN, KEPT = "tests/domain/test_budgets.py", "tests/store/test_budgets.py"
CAPS, ROOTS = "tests/store/test_budget_caps.py", "tests/server/test_root_budgets.py"
DISPATCHING = "tests/services/dispatch/test_dispatcher.py"

GUARDS = (
    Guard(
        "an estimate beyond the cap counts as the cap",
        RULES,
        "micros if money is None else min(micros, money)",
        "micros",
        (f"{DOMAIN}::test_given_an_estimate_beyond_the_cap_when_an_attempt_begins_then_the_whole_cap_is_reserved",),
    ),
    Guard(
        "what is used up admits nothing",
        RULES,
        "LEAST = Amount(1, 1)",
        "LEAST = Amount(0, 0)",
        (f"{DOMAIN}::test_given_a_cap_that_is_used_up_when_nothing_is_expected_then_nothing_is_admitted",),
    ),
    Guard(
        "usage comes out of what is reserved",
        RULES,
        "    after = replace(_holding(budget, budget.reserved - covered), spent",
        "    after = replace(budget, spent",
        (f"{KEPT}::test_given_an_attempt_when_it_uses_more_and_more_then_what_is_reserved_becomes_what_is_spent",),
    ),
    Guard(
        "a claim reserves before the next one looks",
        ADMISSION,
        "            work.ledger.put(rules.reserve(budget, parts[budget.id]))\n",
        "            pass\n",
        (f"{KEPT}::test_given_fifty_credits_in_one_batch_when_they_claim_then_no_more_begin_than_there_is_room_for",),
    ),
    Guard(
        "who finds no room leaves the queue",
        ADMISSION,
        "    work.save(entry, changed(state, ready=False, not_before=None))  # no timer wakes it\n",
        "",
        (f"{KEPT}::test_given_fifty_credits_in_one_batch_when_they_claim_then_no_more_begin_than_there_is_room_for",),
    ),
    Guard(
        "a claim that gives up says that there is more",
        ADMISSION,
        "    work.ready[class_ids[0]] += len(waiting)",
        "    work.ready[class_ids[0]] += 0",
        (
            f"{KEPT}::test_given_more_tasks_without_room_than_one_claim_looks_at_when_it_ends_then_it_says_that_there_are_more",
        ),
    ),
    Guard(
        "the end of an attempt gives back what it held",
        WORK,
        "        if change.outcome is not None:\n            self.ledger.note_end(before.id, before.attempt)\n",
        "",
        (f"{KEPT}::test_given_an_attempt_that_holds_something_when_it_ends_however_then_the_rest_is_given_back_once",),
    ),
    Guard(
        "what an attempt held is given back once",
        LEDGER,
        "        self._work.remove(RESERVATIONS, holding.attempt)\n",
        "",
        (f"{KEPT}::test_given_an_attempt_that_holds_something_when_it_ends_however_then_the_rest_is_given_back_once",),
    ),
    Guard(
        "claims see what the batch has booked and given back",
        CLAIMS,
        "    work.ledger.settle()\n",
        "",
        (
            f"{KEPT}::test_given_usage_the_end_and_a_claim_in_one_batch_when_it_is_applied_then_the_claim_sees_what_is_free",
        ),
    ),
    Guard(
        "a new day forgets what was spent",
        LEDGER,
        "rules.rolled(budget, self._work.now)",
        "budget",
        (
            f"{KEPT}::test_given_a_budget_of_each_day_when_the_next_day_begins_then_what_was_interrupted_goes_on_by_itself",
        ),
    ),
    Guard(
        "only as many go on as there is room for",
        KEEPING,
        "            if woken >= most or entry.state.is_held:\n",
        "            if entry.state.is_held:\n",
        (f"{KEPT}::test_given_tasks_that_wait_for_room_when_attempts_end_then_as_many_go_on_as_there_is_room_for",),
    ),
    Guard(
        "whoever was let go on has the room",
        RULES,
        "        return max(0, self.room_for(self.needed, most + expected) - expected)\n",
        "        return self.room_for(self.needed, most)\n",
        (f"{KEPT}::test_given_tasks_that_wait_for_room_when_attempts_end_then_as_many_go_on_as_there_is_room_for",),
    ),
    Guard(
        "room that nobody comes for is for others",
        RULES,
        "        expected = self.let_go if now < self.let_go_at + COME_FOR_IT else 0\n",
        "        expected = self.let_go\n",
        (f"{KEPT}::test_given_a_task_that_was_let_go_on_when_nobody_comes_for_it_then_the_next_one_is_let_go_on",),
    ),
    Guard(
        "people are asked once",
        KEEPING,
        "    return replace(budget, approval_id=question.id)\n",
        "    return budget\n",
        (
            f"{KEPT}::test_given_a_cap_that_is_reached_when_it_is_kept_then_what_it_covers_is_interrupted_and_people_are_asked_once",
        ),
    ),
    Guard(
        "only what waits for its budget fails for it",
        COMMANDS,
        "    if (task.status, task.pause_reason) != (TaskStatus.PAUSED, PauseReason.BUDGET):\n",
        "    if False:\n",
        (
            "tests/domain/test_transitions.py::test_given_a_task_that_no_budget_has_paused_when_more_is_denied_then_it_stays",
        ),
    ),
    Guard(
        "an agent counts for the budgets of those above it",
        "src/agent_swarm/store/applying/agent_tree.py",
        "        inherit_budgets(work, parent.profile.id, agent.profile.id)\n",
        "",
        (
            "tests/store/test_budgets.py::test_given_a_budget_of_an_agent_when_those_below_it_work_then_it_counts_for_all_of_them",
        ),
    ),
    Guard(
        "an agent without room leaves the task to others",
        DISPATCHER,
        "            self._room.set_aside(credit.seat.agent.id)\n",
        "",
        (
            f"{DISPATCHING}::test_given_an_agent_whose_budget_has_no_room_when_tasks_come_then_others_get_them_and_it_asks_again_later",
        ),
    ),
    Guard(
        "no more attempts begin than are allowed",
        RULES,
        "        return is_affordable and self.attempts_left != 0 and self.places_left != 0\n",
        "        return is_affordable and self.places_left != 0\n",
        (
            f"{CAPS}::test_given_fifty_credits_in_one_batch_when_attempts_are_capped_then_exactly_as_many_begin_in_order",
        ),
    ),
    Guard(
        "no more attempts are under way than are allowed",
        RULES,
        "        return is_affordable and self.attempts_left != 0 and self.places_left != 0\n",
        "        return is_affordable and self.attempts_left != 0\n",
        (
            f"{CAPS}::test_given_fifty_credits_in_one_batch_when_attempts_are_capped_then_exactly_as_many_begin_in_order",
        ),
    ),
    Guard(
        "the end of an attempt gives back its place",
        RULES,
        "under_way=max(0, budget.under_way - 1))",
        "under_way=budget.under_way)",
        (
            f"{CAPS}::test_given_an_attempt_when_it_ends_however_then_its_place_is_given_back_once_and_it_has_begun_for_good",
        ),
    ),
    Guard(
        "attempts of yesterday are forgotten",
        RULES,
        "        attempts=0,\n",
        "",
        (f"{CAPS}::test_given_attempts_a_day_when_the_next_day_begins_then_tasks_go_on_by_themselves",),
    ),
    Guard(
        "people are asked where too little is left for anybody",
        RULES,
        "        return self.stops or (self.is_in_force and self.is_stuck and self.action is BudgetAction.PAUSE)\n",
        "        return self.stops\n",
        (f"{CAPS}::test_given_too_little_left_for_anybody_when_nothing_can_be_given_back_then_people_are_asked_once",),
    ),
    Guard(
        "nobody is asked about what may be given back",
        RULES,
        "        return not replace(self, reserved_micros=0, reserved_tokens=0, under_way=0).admits(self.needed)\n",
        "        return not self.admits(self.needed)\n",
        (
            f"{CAPS}::test_given_a_cap_at_once_when_attempts_end_then_tasks_go_on_in_order_and_nobody_is_asked",
            f"{CAPS}::test_given_room_that_an_attempt_may_give_back_when_tasks_wait_then_nobody_is_asked_before_it_is_spent",
        ),
    ),
    Guard(
        "a budget that only refuses asks nobody",
        RULES,
        "self.is_stuck and self.action is BudgetAction.PAUSE)",
        "self.is_stuck)",
        (f"{CAPS}::test_given_a_budget_that_only_refuses_when_too_little_is_left_then_nobody_is_asked",),
    ),
    Guard(
        "what people have added does not raise what an attempt is expected to cost",
        RULES,
        "        money, tokens = self.cap_micros, self.cap_tokens\n",
        "        money, tokens = self.limits\n",
        (f"{CAPS}::test_given_an_estimate_beyond_the_cap_when_a_person_raises_that_then_the_attempt_begins",),
    ),
    Guard(
        "what somebody needs is kept as it was expected",
        ADMISSION,
        "    work.ledger.put(rules.refuse(budget, estimate, work.now))\n",
        "    work.ledger.put(rules.refuse(budget, budget.expects(estimate), work.now))\n",
        (
            f"{CAPS}::test_given_a_cap_that_a_person_sets_higher_when_the_estimate_is_higher_still_then_who_waits_is_not_let_go_on",
        ),
    ),
    Guard(
        "a raise makes room for an attempt",
        RULES,
        "    return extra + cap * max(1, -(-lacking // cap))\n",
        "    return extra + cap\n",
        (
            f"{CAPS}::test_given_more_spent_than_twice_the_cap_when_a_person_raises_it_then_there_is_room_for_an_attempt",
        ),
    ),
    Guard(
        "a no about what is left is none about the cap",
        RULES,
        "        after = _without_a_no(replace(after, reached_at=now))\n",
        "        after = replace(after, reached_at=now)\n",
        (f"{CAPS}::test_given_a_denial_while_something_runs_when_that_uses_up_the_cap_then_people_are_asked_about_it",),
    ),
    Guard(
        "another cap forgets a no",
        KEEPING,
        "    after = rules.changed_by_people(before, after, work.now)\n",
        "",
        (
            f"{CAPS}::test_given_the_question_when_it_is_denied_then_what_waits_goes_on_waiting_and_nobody_is_asked_again",
        ),
    ),
    Guard(
        "a question about what is left is replaced once all is spent",
        KEEPING,
        "budget.is_for_people and asked.asked_at >= (budget.reached_at or 0)",
        "budget.is_for_people",
        (
            f"{CAPS}::test_given_a_question_about_what_is_left_when_the_cap_is_reached_then_it_is_replaced_by_one_about_that",
        ),
    ),
    Guard(
        "a task for one agent alone waits for that agent's budget",
        ADMISSION,
        "work.rows.requirements(entry.claim_class).agent_id == op.agent_id:",
        "False:",
        (
            f"{CAPS}::test_given_a_task_for_one_agent_when_that_agents_budget_has_too_little_left_then_it_waits_and_people_are_asked",
        ),
    ),
    Guard(
        "what a server carries out itself takes no place",
        ADMISSION,
        "        if RUNNER_CAPABILITY in work.rows.requirements(entry.claim_class).capabilities:\n",
        "        if False:\n",
        (
            f"{CAPS}::test_given_a_part_of_a_workflow_when_a_server_carries_it_out_then_it_takes_nothing_from_what_agents_may_use",
        ),
    ),
    Guard(
        "a root task that is filed without a budget has that of the server",
        "src/agent_swarm/services/task_budgets.py",
        "        return root_budgets(task_id, caps) if is_root else ()\n",
        "        return ()\n",
        (
            f"{ROOTS}::test_given_a_loop_of_tasks_that_file_tasks_when_their_root_is_capped_then_it_ends_with_one_question",
        ),
    ),
    Guard(
        "only root tasks have the budget of the server",
        "src/agent_swarm/services/task_budgets.py",
        "        return root_budgets(task_id, caps) if is_root else ()\n",
        "        return root_budgets(task_id, caps)\n",
        (
            f"{ROOTS}::test_given_caps_for_root_tasks_when_one_is_filed_however_then_it_has_a_budget_and_those_below_have_none",
        ),
    ),
)
