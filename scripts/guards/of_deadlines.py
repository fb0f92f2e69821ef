"""The guards of how long runs may take."""

from scripts.guards.guard import Guard

COMMANDS, DOMAIN = "src/agent_swarm/domain/transitions.py", "src/agent_swarm/domain/deadlines.py"
STATEMENTS = "src/agent_swarm/store/sql/statements.py"
BRIEFING = "src/agent_swarm/server/pool/briefing.py"

KEPT, SERVED = "tests/store/test_deadlines.py", "tests/server/test_deadlines.py"

GUARDS = (
    Guard(
        "a run that takes too long loses its fence",
        COMMANDS,
        "    return replace(failed, state=changed(failed.state, fence=task.fence + 1))\n",
        "    return failed\n",
        (f"{KEPT}::test_given_a_run_that_its_worker_does_not_end_when_its_time_and_the_grace_are_over_then_it_fails",),
    ),
    Guard(
        "a lease that lapses is no fault of the agent",
        COMMANDS,
        "        lapsed = task.lease_expires_at is not None and task.lease_expires_at <= now\n",
        "        lapsed = False\n",
        (f"{KEPT}::test_given_a_lease_that_lapses_in_a_bounded_run_then_the_agent_is_not_blamed",),
    ),
    Guard(
        "pauses do not count, and do not give more time",
        COMMANDS,
        'ended = changed(_ended(task, AttemptOutcome.PAUSED, ""), time_used=deadlines.used(task, now))',
        'ended = _ended(task, AttemptOutcome.PAUSED, "")',
        (f"{KEPT}::test_given_a_run_that_was_paused_when_it_goes_on_then_it_has_the_time_that_was_left",),
    ),
    Guard(
        "another try has its whole time",
        COMMANDS,
        "        time_used=0,\n        overdue_at=None,\n",
        "        overdue_at=None,\n",
        (f"{KEPT}::test_given_a_run_that_failed_when_it_is_tried_again_then_it_has_its_whole_time",),
    ),
    Guard(
        "timers that were renewed look at the earlier end",
        STATEMENTS,
        ".values(timer_at=_held_until)",
        ".values(timer_at=task.c.lease_expires_at)",
        (f"{KEPT}::test_given_a_run_that_its_worker_does_not_end_when_its_time_and_the_grace_are_over_then_it_fails",),
    ),
    Guard(
        "a run paused at its very end has a moment",
        DOMAIN,
        "max(LEAST, task.timeout - task.time_used)",
        "max(0, task.timeout - task.time_used)",
        (f"{KEPT}::test_given_a_run_paused_at_its_very_end_then_the_next_one_has_a_moment",),
    ),
    Guard(
        "a worker is told the time that is left",
        BRIEFING,
        "    time_left = deadlines.left(state)\n",
        "    time_left = spec.timeout\n",
        (f"{SERVED}::test_given_a_run_that_was_paused_when_it_is_claimed_again_then_its_worker_gets_the_time_left",),
    ),
)
