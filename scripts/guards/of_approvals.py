"""The guards of what agents ask people: who asks, who answers, that one answer counts, and whom it lets go on."""

from scripts.guards.guard import Guard

APPLYING, WORK = "src/agent_swarm/store/applying/approvals.py", "src/agent_swarm/store/applying/work.py"
SERVICE, ROUTES = "src/agent_swarm/services/approvals.py", "src/agent_swarm/server/routes/approvals.py"
TIMER = "src/agent_swarm/server/approvals.py"

KEPT, SERVED = "tests/store/test_approvals.py", "tests/server/test_approvals.py"

GUARDS = (
    Guard(
        "an attempt that is over asks nothing",
        APPLYING,
        '    require_lease(state, op.fence, "ask")\n',
        "",
        (f"{KEPT}::test_given_an_attempt_that_is_over_when_it_asks_then_it_is_refused",),
    ),
    Guard(
        "a key asks one question",
        APPLYING,
        "    if found is not None and found.asked_digest != op.approval.asked_digest:\n",
        "    if False:\n",
        (
            f"{KEPT}::test_given_the_same_question_when_it_is_asked_again_then_it_is_the_one_that_is_there_whatever_became_of_it",
        ),
    ),
    Guard(
        "a task asks so many questions",
        APPLYING,
        "    if still_open >= OPEN_PER_TASK or len(others) >= PER_TASK:\n",
        "    if False:\n",
        (f"{KEPT}::test_given_a_task_that_asks_too_much_when_it_asks_once_more_then_it_is_refused",),
    ),
    Guard(
        "the first answer counts",
        APPLYING,
        "    if not found.is_open:\n        raise _too_late(found)\n",
        "",
        (f"{KEPT}::test_given_two_people_when_both_answer_then_the_first_counts_and_the_second_is_told",),
    ),
    Guard(
        "what has run out is answered no more",
        APPLYING,
        "    if found.expires_at <= work.now:\n",
        "    if False:\n",
        (
            f"{KEPT}::test_given_a_question_nobody_answers_when_its_time_is_over_then_it_counts_as_denied_and_the_task_goes_on",
        ),
    ),
    Guard(
        "what an ended task asked is answered no more",
        APPLYING,
        "    if work.must(found.task_id).state.is_terminal:\n",
        "    if False:\n",
        (
            f"{KEPT}::test_given_a_task_that_waits_when_it_is_cancelled_then_its_question_is_closed_and_cannot_be_answered",
        ),
    ),
    Guard(
        "answers fit their questions",
        APPLYING,
        "    if not op.denies:\n        require_answers(found.asked, op.answers)\n",
        "",
        (f"{KEPT}::test_given_answers_that_do_not_fit_when_they_are_given_then_they_are_refused_and_it_stays_open",),
    ),
    Guard(
        "what is settled stays as it is",
        APPLYING,
        "        if found is None or not found.is_open or entry is None:\n",
        "        if found is None or entry is None:\n",
        (f"{KEPT}::test_given_an_answer_when_its_question_would_have_run_out_or_its_task_ends_then_the_answer_stays",),
    ),
    Guard(
        "silence is no from the end of its time on",
        APPLYING,
        "        elif found.expires_at <= work.now:\n",
        "        elif True:\n",
        (
            f"{KEPT}::test_given_a_question_nobody_answers_when_its_time_is_over_then_it_counts_as_denied_and_the_task_goes_on",
        ),
    ),
    Guard(
        "an answer resumes only what waits for it",
        APPLYING,
        "    waits = (state.status, state.pause_reason) == (TaskStatus.PAUSED, PauseReason.APPROVAL)\n",
        "    waits = state.status is TaskStatus.PAUSED\n",
        (f"{KEPT}::test_given_a_task_that_waits_when_a_person_pauses_it_then_an_answer_does_not_resume_it",),
    ),
    Guard(
        "a task waits for all that it asked",
        APPLYING,
        "    if waits and not approvals.keeps_waiting(approvals.of_task_in_batch(work, after.task_id)):\n",
        "    if waits:\n",
        (f"{KEPT}::test_given_two_questions_when_one_is_answered_then_the_task_waits_for_the_other",),
    ),
    Guard(
        "an answer that came before the run had stopped is not waited for",
        WORK,
        "                self._resume_if_answered(entry.state.id)\n",
        "                pass\n",
        (f"{KEPT}::test_given_an_answer_before_the_worker_has_stopped_when_it_pauses_then_the_task_goes_on_at_once",),
    ),
    Guard(
        "a task that asks again waits again",
        APPLYING,
        "    if asked.is_open and asked.pauses:\n",
        "    if found is None and asked.is_open and asked.pauses:\n",
        (f"{KEPT}::test_given_a_task_that_was_resumed_without_an_answer_when_it_asks_again_then_it_pauses_again",),
    ),
    Guard(
        "a person's wish to pause stays",
        "src/agent_swarm/domain/transitions.py",
        "    if task.pause_wanted is not None:\n        return Repeat(task)\n    if not",
        "    if not",
        (f"{KEPT}::test_given_a_run_that_a_person_wants_paused_when_it_asks_then_an_answer_does_not_resume_it",),
    ),
    Guard(
        "an attempt sees what its own task asked",
        SERVICE,
        "    if found is None or (by.kind is TokenKind.ATTEMPT and found.task_id != by.task_id):\n",
        "    if found is None:\n",
        (f"{SERVED}::test_given_an_agent_when_it_answers_or_looks_at_what_another_asked_then_it_may_not",),
    ),
    Guard(
        "agents answer nothing",
        ROUTES,
        "operators(Scope.APPROVALS_WRITE)",
        "operators_and_attempts(Scope.APPROVALS_WRITE, Scope.OWN_QUESTIONS)",
        (f"{SERVED}::test_given_an_agent_when_it_answers_or_looks_at_what_another_asked_then_it_may_not",),
    ),
    Guard(
        "secrets are taken out of answers",
        SERVICE,
        "        answers = self._redactor.value(wanted.answers)\n",
        "        answers = wanted.answers\n",
        (f"{SERVED}::test_given_secrets_in_questions_and_answers_when_they_are_stored_then_they_are_taken_out",),
    ),
    Guard(
        "the end of a task closes its questions at once",
        TIMER,
        "            elif event.type in _ENDINGS and event.task_id in self._tasks:\n",
        "            elif False:\n",
        (f"{SERVED}::test_given_questions_when_one_is_asked_or_its_task_ends_then_the_timer_hurries_and_else_not",),
    ),
    Guard(
        "whoever waits for an answer is woken",
        "src/agent_swarm/server/app.py",
        '            if event.subject_kind == "approval":\n',
        "            if False:\n",
        (f"{SERVED}::test_given_some_who_wait_for_an_answer_when_it_comes_then_all_have_it_at_once",),
    ),
    Guard(
        "the next attempt is told what was answered",
        "src/agent_swarm/server/pool/briefing.py",
        "    told = (answers_to(queries, task_id), account_of(queries, task_id))\n",
        "    told = (account_of(queries, task_id),)\n",
        (f"{SERVED}::test_given_a_task_that_paused_for_an_answer_when_it_comes_then_the_next_attempt_is_told",),
    ),
)
