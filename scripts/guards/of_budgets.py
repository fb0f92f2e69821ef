"""The guards of budgets: what is admitted, booked once, given back once, and who goes on."""

from scripts.guards.guard import Guard

RULES, LEDGER = "src/agent_swarm/domain/budgets.py", "src/agent_swarm/store/applying/ledger.py"
ADMISSION, KEEPING = "src/agent_swarm/store/applying/admission.py", "src/agent_swarm/store/applying/budgets.py"
WORK, COMMANDS = "src/agent_swarm/store/applying/work.py", "src/agent_swarm/domain/commands.py"
CLAIMS, DISPATCHER = "src/agent_swarm/store/applying/claims.py", "src/agent_swarm/services/dispatch/dispatcher.py"

DOMAIN, KEPT = "tests/domain/test_budgets.py", "tests/store/test_budgets.py"
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
)
