"""The guards of merge queues: nothing lands unchecked, nobody is blamed for nothing, and each step is taken once."""

from scripts.guards.guard import Guard

RULES = "src/agent_swarm/domain/merge_queue.py"
ENTERING, STEPPING = (f"src/agent_swarm/store/applying/{name}.py" for name in ("results", "merge_queues"))
ASKED, TASKS = "src/agent_swarm/store/merge_queues.py", "src/agent_swarm/store/applying/tasks.py"
SERVED, FILING = (f"src/agent_swarm/services/merge_queue/{name}.py" for name in ("stepping", "filing"))
LANDING, RUN, WORK = (f"src/agent_swarm/worker/{name}.py" for name in ("workspace/landing", "run", "work"))
RUNNER, BRIEFING = "src/agent_swarm/server/merge_queues.py", "src/agent_swarm/server/pool/briefing.py"

VALUES, KEPT = "tests/domain/test_merge_queue.py", "tests/store/test_merge_queues.py"
OVER_REST, AT_WORK = "tests/server/test_merge_queue.py", "tests/worker/test_worker_landing.py"

GUARDS = (
    Guard(
        "what is known of a round counts for one commit of the branch",
        RULES,
        "    if of.base != verdict.base or of.failing <= size:\n",
        "    if of.failing <= size:\n",
        (f"{VALUES}::test_given_a_branch_that_moved_then_what_was_known_of_a_round_counts_no_more",),
    ),
    Guard(
        "nobody is blamed for what one check alone said",
        RULES,
        "    if not of.is_conflict and of.seen <= retries:\n",
        "    if False:\n",
        (f"{VALUES}::test_given_a_result_that_fails_once_for_nothing_then_it_lands",),
    ),
    Guard(
        "nobody is blamed before the branch has passed by itself",
        RULES,
        "    if not of.is_conflict and of.base != of.sound:\n",
        "    if False:\n",
        (f"{VALUES}::test_given_a_branch_that_fails_by_itself_then_nobody_is_blamed",),
    ),
    Guard(
        "a commit that nobody has checked has not passed",
        RULES,
        "    sound = of.sound if size and verdict.commit == verdict.base else verdict.commit\n",
        "    sound = verdict.commit\n",
        (f"{VALUES}::test_given_results_that_were_on_the_branch_already_then_its_commit_has_not_passed",),
    ),
    Guard(
        "what failed is not checked over and over",
        RULES,
        "        return Check(of.failing - 1 if of.is_conflict else of.failing // 2)\n",
        "        return Check(of.failing)\n",
        (f"{VALUES}::test_given_one_culprit_then_it_is_found_in_as_many_checks_as_halving_takes",),
    ),
    Guard(
        "a verdict is about a result that was checked",
        RULES,
        "            if verdict.task_id not in of.entries[:size]:\n",
        "            if False:\n",
        (f"{VALUES}::test_given_a_verdict_about_a_result_that_was_not_checked_then_it_makes_no_sense",),
    ),
    Guard(
        "what was known of a result that is dropped counts no more",
        RULES,
        "failing=self.failing if place >= self.failing else 0)",
        "failing=self.failing)",
        (f"{VALUES}::test_given_a_result_that_is_dropped_then_what_is_known_of_those_before_it_stays",),
    ),
    Guard(
        "a queue moves on once from where it stands",
        STEPPING,
        "    if queue is None or queue.version != op.version:\n",
        "    if queue is None:\n",
        (f"{KEPT}::test_given_two_servers_that_move_a_queue_on_then_one_check_is_filed",),
    ),
    Guard(
        "the kill switch holds merge queues",
        STEPPING,
        "    if op.tasks and stopping(work.rows.killed(), NO_AGENT, *swarms) is not None:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_the_kill_switch_when_a_queue_would_file_a_check_then_it_waits",),
    ),
    Guard(
        "a check is no result",
        ENTERING,
        "        if of_queue is not None and of_queue.kind is QueueTaskKind.CHECK:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_check_that_ends_then_there_is_news_and_nothing_of_it_enters",),
    ),
    Guard(
        "what left no commit on a branch does not enter",
        "src/agent_swarm/store/applying/work.py",
        "        if change.verb is Verb.COMPLETE and report.branch and report.commit:\n",
        "        if change.verb is Verb.COMPLETE:\n",
        (f"{KEPT}::test_given_a_task_that_left_no_commit_on_a_branch_then_nothing_enters",),
    ),
    Guard(
        "results enter by themselves where that is wanted",
        ENTERING,
        "    return queue.status is not QueueStatus.OFF and (queue.automatic or of_queue is not None)\n",
        "    return True\n",
        (f"{KEPT}::test_given_a_queue_by_hand_or_one_that_is_off_then_results_do_not_enter_by_themselves",),
    ),
    Guard(
        "the code under test has no say in the verdict",
        TASKS,
        " and not _is_check(work, op.command.task_id):\n",
        ":\n",
        (
            f"{KEPT}::test_given_a_check_whose_code_states_an_outcome_then_its_verdict_stays_and_that_of_others_does_not",
        ),
    ),
    Guard(
        "what is being checked is not dropped",
        ASKED,
        "        if check is not None and self.task_id in under_check:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_result_when_it_is_dropped_then_it_can_enter_again_and_not_while_it_is_checked",),
    ),
    Guard(
        "who sets a queue has seen how it is",
        ASKED,
        "        if (found.version if found else 0) != self.version:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_queue_that_changed_since_it_was_read_when_it_is_set_then_that_is_refused",),
    ),
    Guard(
        "a check without a verdict blames nobody",
        SERVED,
        "        return None\n    result = task.result or {}\n    return Verdict.read(",
        '        return Verdict(said=Said.FAILED, base="")\n    result = task.result or {}\n    return Verdict.read(',
        (f"{OVER_REST}::test_given_a_check_that_tells_no_verdict_then_the_queue_halts_and_nobody_is_blamed",),
    ),
    Guard(
        "work goes back so often and no more",
        FILING,
        "    if entry.hops >= HOPS:\n",
        "    if False:\n",
        (f"{OVER_REST}::test_given_work_that_came_back_too_often_then_nobody_is_asked_again",),
    ),
    Guard(
        "a queue that is off checks nothing more",
        SERVED,
        "        return self.queue.check_task_id is None and self.queue.status is QueueStatus.ACTIVE\n",
        "        return self.queue.check_task_id is None\n",
        (
            f"{OVER_REST}::test_given_a_queue_that_is_turned_off_while_it_checks_then_what_lands_counts_and_nothing_follows",
        ),
    ),
    Guard(
        "one queue that cannot be read keeps no other waiting",
        RUNNER,
        "            return False\n        if operation.check",
        "            raise\n        if operation.check",
        (f"{OVER_REST}::test_given_a_queue_that_cannot_be_read_then_others_move_on",),
    ),
    Guard(
        "a check lands where it was checked",
        LANDING,
        ', f"--force-with-lease={ref}:{origin}")',
        ', "--force")',
        (
            f"{AT_WORK}::test_given_a_branch_that_moves_while_a_check_runs_then_nothing_lands_on_it",
            f"{AT_WORK}::test_given_a_branch_that_is_put_back_while_a_check_runs_then_that_counts_as_moved",
        ),
        is_slow=True,
    ),
    Guard(
        "a check lands what was merged before it ran",
        WORK,
        "        return await self._workspaces.land(self.workspace)\n",
        "        found = await self.collect()\n"
        "        return await self._workspaces.land(replace(self.workspace, base=found.commit))\n",
        (
            f"{AT_WORK}::test_given_a_check_that_passes_then_the_merge_that_it_ran_on_is_the_branch_and_nothing_that_it_did",
        ),
        is_slow=True,
    ),
    Guard(
        "what is on the branch already is not checked",
        RUN,
        "            if not await self._unless_stopped(self._work.secure()):\n                return landing.ALREADY\n",
        "            await self._unless_stopped(self._work.secure())\n",
        (f"{AT_WORK}::test_given_results_that_are_on_the_branch_already_then_they_have_landed_and_nothing_runs",),
        is_slow=True,
    ),
)
