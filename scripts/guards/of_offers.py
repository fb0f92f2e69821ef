"""The guards of offers: who gets an offered task, whose answer counts, and until when."""

from scripts.guards.guard import Guard

DOMAIN, APPLYING = "src/agent_swarm/domain/offers.py", "src/agent_swarm/store/applying/offers.py"
SERVICE, TASKS = "src/agent_swarm/services/offers.py", "src/agent_swarm/store/applying/tasks.py"
ACTING = "src/agent_swarm/server/mcp/tools/acting.py"

KEPT, SERVED = "tests/store/test_offers.py", "tests/server/test_offers.py"

GUARDS = (
    Guard(
        "what is offered cannot be claimed",
        DOMAIN,
        "status=status, ready=False, pinned_agent=command.agent_id",
        "status=status, pinned_agent=command.agent_id",
        (f"{KEPT}::test_given_an_offered_task_when_anybody_claims_then_nobody_gets_it",),
    ),
    Guard(
        "what was accepted is kept for its agent",
        DOMAIN,
        "    taken = changed(queued(task, now), pinned_until=until)\n",
        "    taken = changed(queued(task, now), pinned_agent=None, pinned_until=None)\n",
        (f"{KEPT}::test_given_an_accepted_offer_when_both_claim_then_only_the_agent_that_accepted_gets_it",),
    ),
    Guard(
        "an offer that ran out is not answered",
        DOMAIN,
        "    if task.pinned_until is not None and task.pinned_until <= now:",
        "    if False:",
        (f"{KEPT}::test_given_an_offer_that_ran_out_when_it_is_answered_then_that_is_said",),
    ),
    Guard(
        "what waits for one agent is not offered to another",
        DOMAIN,
        "    if task.pinned_agent is not None:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_an_accepted_offer_when_another_agent_is_asked_then_it_is_refused",),
    ),
    Guard(
        "only an agent that could run it is offered a task",
        APPLYING,
        "    if lacks:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_an_agent_that_could_not_run_it_when_it_is_offered_then_what_it_lacks_is_said",),
    ),
    Guard(
        "the first answer counts",
        APPLYING,
        "    if not asked.is_open:\n        raise _is_over(asked)\n",
        "",
        (f"{KEPT}::test_given_an_answer_when_another_one_comes_then_the_first_counts",),
    ),
    Guard(
        "the same answer is no other one",
        APPLYING,
        "    if asked.status is wanted:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_an_answer_when_the_same_comes_again_then_nothing_changes",),
    ),
    Guard(
        "a batch with an offer that cannot be made is not filed",
        TASKS,
        '            offers.require_fit(work, new.offer.agent_id, spec.requires, field="offerTo")\n',
        "            pass\n",
        (
            f"{KEPT}::test_given_a_batch_with_a_task_for_an_agent_that_could_not_run_it_when_it_is_filed_then_nothing_is",
        ),
    ),
    Guard(
        "an agent answers for itself",
        SERVICE,
        "    if by.agent_id is None or agent_id not in (None, by.agent_id):\n",
        "    if False:\n",
        (f"{SERVED}::test_given_an_attempt_of_the_agent_when_it_answers_then_it_counts_as_the_agents",),
    ),
    Guard(
        "an agent takes no more than it has slots for",
        SERVICE,
        "    return len(queries.held_tasks(agent.profile.id)) < agent.slots\n",
        "    return True\n",
        (f"{SERVED}::test_given_an_agent_that_takes_offers_when_it_has_a_slot_then_it_accepts_and_not_more_than_that",),
    ),
    Guard(
        "what was accepted and not yet claimed takes a slot",
        SERVICE,
        "    awaited = agents_awaited(queries)\n",
        "    awaited: set[str] = set()\n",
        (f"{SERVED}::test_given_an_agent_that_takes_offers_when_it_has_a_slot_then_it_accepts_and_not_more_than_that",),
    ),
    Guard(
        "nobody accepts for an agent that is stopped",
        SERVICE,
        "        if stopping(killed, agent.profile.id) is None and _takes",
        "        if _takes",
        (
            f"{SERVED}::test_given_agents_that_ask_are_gone_or_are_killed_when_offers_are_looked_at_then_none_is_accepted",
        ),
    ),
    Guard(
        "an attempt answers offers by the tool, and nothing else",
        ACTING,
        "        if not by.may(Scope.TASKS_WRITE):\n",
        "        if False:\n",
        (f"{SERVED}::test_given_an_attempt_when_it_answers_by_the_tool_then_it_may_do_that_and_nothing_else",),
    ),
)
