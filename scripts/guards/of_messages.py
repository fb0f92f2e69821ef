"""The guards of messages: each said once, to those it is for, had once, and woken for once."""

from scripts.guards.guard import Guard

MAILING, POSTING = (f"src/agent_swarm/store/families/{name}.py" for name in ("mailing", "posting"))
WAKING = "src/agent_swarm/store/applying/conversations.py"
MESSAGES, ACCESS, RECIPIENTS = (
    f"src/agent_swarm/services/{name}.py" for name in ("messages", "mail_access", "recipients")
)
POSTMAN, TRAYS = "src/agent_swarm/server/pool/mail.py", "src/agent_swarm/server/pool/trays.py"
MAILBOX, FRAMES = "src/agent_swarm/worker/mailbox.py", "src/agent_swarm/worker/mail_text.py"

STORED, OVER_REST = "tests/store/test_messages.py", "tests/server/test_messages.py"
PUSHED, KEPT = "tests/server/pool/test_pool_mail.py", "tests/server/pool/test_trays.py"
TAKEN = "tests/worker/test_worker_mailbox.py"

GUARDS = (
    # --- how far a message has come ---
    Guard(
        "a message that a worker has is told once",
        MAILING,
        "        return one.acknowledged_at is None and (one.task_id, one.fence) != (self.task_id, self.fence)\n",
        "        return True\n",
        (f"{STORED}::test_given_a_note_of_delivery_when_it_comes_twice_then_the_second_changes_and_tells_nothing",),
    ),
    Guard(
        "a message that an agent has is told once",
        MAILING,
        "        had = [one for one in self._found(desk, self.acknowledged) if one.acknowledged_at is None]\n",
        "        had = self._found(desk, self.acknowledged)\n",
        (f"{STORED}::test_given_a_note_of_delivery_when_it_comes_twice_then_the_second_changes_and_tells_nothing",),
    ),
    Guard(
        "a request to say something acts once",
        POSTING,
        "        if earlier is not None:\n",
        "        if False:\n",
        (
            f"{STORED}::test_given_a_request_under_a_key_when_it_comes_again_then_it_is_said_once_and_another_body_is_refused",
        ),
    ),
    Guard(
        "a call ends only where nothing is left that wakes",
        MAILING,
        "        if len(left) < TRAY and not any(one.is_waking for one in left):\n",
        "        if True:\n",
        (
            f"{STORED}::test_given_messages_when_some_are_read_then_they_are_acknowledged_and_no_longer_in_the_list_of_unread_ones",
        ),
    ),
    # --- waking ---
    Guard(
        "an agent is woken once for the same messages",
        WAKING,
        "    if call.is_answered_by(work.scan(TRAYS, recipient, after=(call.up_to,), limit=TRAY)):\n",
        "    if False:\n",
        (
            f"{STORED}::test_given_a_call_when_a_conversation_is_opened_twice_then_there_is_one_task_until_something_new_comes",
        ),
    ),
    Guard(
        "an agent has one conversation at a time",
        WAKING,
        "    if is_open or work.rows.held_by(op.agent_id):\n",
        "    if work.rows.held_by(op.agent_id):\n",
        (
            f"{STORED}::test_given_a_call_when_a_conversation_is_opened_twice_then_there_is_one_task_until_something_new_comes",
        ),
    ),
    Guard(
        "only an idle agent is woken",
        WAKING,
        "    if is_open or work.rows.held_by(op.agent_id):\n",
        "    if is_open:\n",
        (f"{STORED}::test_given_an_agent_that_is_busy_when_it_is_called_then_it_is_woken_after_its_task",),
    ),
    Guard(
        "nobody is woken while everything is stopped",
        WAKING,
        "    if call is None or _is_stopped(work, op.agent_id):\n",
        "    if call is None:\n",
        (f"{STORED}::test_given_everything_is_stopped_when_an_agent_is_called_then_it_is_woken_once_that_is_lifted",),
    ),
    Guard(
        "a head of a tray that stays wakes nobody again",
        WAKING,
        "    up_to = told[-1].number if told[-1].number > call.up_to else call.last\n",
        "    up_to = told[-1].number\n",
        (
            f"{STORED}::test_given_a_tray_full_of_what_wakes_nobody_when_something_behind_it_does_then_the_agent_is_woken_once_for_it",
        ),
    ),
    Guard(
        "beyond the most hops nobody is woken",
        POSTING,
        "        wakes = message.hops <= self.most_hops\n",
        "        wakes = True\n",
        (
            f"{STORED}::test_given_an_answer_in_a_conversation_when_it_is_posted_then_it_is_a_hop_further_than_what_was_got_there",
        ),
    ),
    Guard(
        "an answer is a hop further",
        POSTING,
        "    return conversation.hops + 1 if conversation else 0\n",
        "    return 0\n",
        (
            f"{STORED}::test_given_an_answer_in_a_conversation_when_it_is_posted_then_it_is_a_hop_further_than_what_was_got_there",
        ),
    ),
    # --- who may ---
    Guard(
        "only members write and read in a channel",
        ACCESS,
        "    if by.agent_id is not None and queries.record(MEMBERSHIPS, channel, by.actor) is None:\n",
        "    if False:\n",
        (f"{OVER_REST}::test_given_a_channel_when_a_member_writes_then_members_get_it_and_others_may_not_look",),
    ),
    Guard(
        "an agent sees only what it has a part in",
        ACCESS,
        "    if message is not None and (by.agent_id is None or _has_part(queries, message, by)):\n",
        "    if message is not None:\n",
        (f"{OVER_REST}::test_given_an_agent_when_it_asks_for_what_is_not_its_own_then_it_gets_none_of_it",),
    ),
    Guard(
        "an agent steers only below its own task",
        "src/agent_swarm/services/messages.py",
        "            lineage.require_below(queries, task_id, by=by)\n",
        "",
        (
            f"{OVER_REST}::test_given_a_lead_agent_when_it_steers_tasks_below_its_own_then_they_hear_it_and_others_do_not",
        ),
    ),
    Guard(
        "an agent lists only what it got",
        MESSAGES,
        "    if by.agent_id is not None and wanted.agent_id != by.agent_id:\n",
        "    if False:\n",
        (f"{OVER_REST}::test_given_an_agent_when_it_asks_for_what_is_not_its_own_then_it_gets_none_of_it",),
    ),
    Guard(
        "an agent lists only what is about its own task",
        MESSAGES,
        "        if not by.may(Scope.MESSAGES_READ) and wanted.task_id != by.task_id:\n",
        "        if False:\n",
        (f"{OVER_REST}::test_given_an_agent_when_it_asks_for_what_is_not_its_own_then_it_gets_none_of_it",),
    ),
    Guard(
        "messages of an agent are counted",
        MESSAGES,
        "        self._count(by)\n        text = self._redactor.text(wanted.text)\n",
        "        text = self._redactor.text(wanted.text)\n",
        (
            f"{OVER_REST}::test_given_an_agent_that_writes_too_often_when_it_writes_on_in_another_attempt_then_it_is_told_to_wait",
        ),
    ),
    Guard(
        "secrets do not get into messages",
        MESSAGES,
        "        text = self._redactor.text(wanted.text)\n",
        "        text = wanted.text\n",
        (f"{OVER_REST}::test_given_a_secret_in_a_text_when_it_is_posted_then_it_is_stored_without_it",),
    ),
    Guard(
        "most recipients of a message",
        RECIPIENTS,
        "    if len(chosen) > RECIPIENTS:\n",
        "    if False:\n",
        (
            f"{OVER_REST}::test_given_more_agents_than_a_message_reaches_when_it_is_for_all_or_a_role_then_it_is_refused",
        ),
    ),
    # --- on the way to the agent ---
    Guard(
        "who connects again is sent everything again",
        POSTMAN,
        "        self._pushed.pop(agent_id, None)\n        if self.trays.has_any:\n",
        "        if self.trays.has_any:\n",
        (
            f"{PUSHED}::test_given_a_worker_whose_word_is_lost_when_it_connects_again_then_the_same_message_is_pushed_again",
        ),
    ),
    Guard(
        "an attempt that takes no messages gets none",
        POSTMAN,
        "    open_to = [task for task in held if leases[task.state.id] not in refusing]\n",
        "    open_to = list(held)\n",
        (
            f"{PUSHED}::test_given_an_attempt_that_takes_no_messages_when_its_agent_is_written_to_then_another_one_gets_them",
        ),
    ),
    Guard(
        "what another attempt has is in no other claim",
        TRAYS,
        "if entry.task_id == state.id or (entry.task_id, entry.fence) not in others]\n",
        "]\n",
        (
            f"{PUSHED}::test_given_a_message_that_another_attempt_under_way_has_when_an_attempt_begins_then_its_claim_has_it_not",
        ),
    ),
    Guard(
        "a look that a message crossed does not count",
        TRAYS,
        "            if self._known.get(recipient, as_of + 1) <= as_of:\n",
        "            if recipient in self._known:\n",
        (f"{KEPT}::test_given_a_look_that_found_nothing_when_a_message_crossed_it_then_the_recipient_is_kept",),
    ),
    Guard(
        "bound of what a server keeps of trays",
        TRAYS,
        "        if len(self._known) > self._most:\n",
        "        if False:\n",
        (
            f"{KEPT}::test_given_more_recipients_than_are_kept_when_a_further_one_has_mail_then_everybody_may_and_none_is_kept",
        ),
    ),
    Guard(
        "a message that came is passed over",
        MAILBOX,
        "        new = [message for message in messages if message.id not in self._seen]\n",
        "        new = list(messages)\n",
        (f"{TAKEN}::test_given_messages_when_they_come_again_then_the_agent_has_each_once_in_order_under_its_id",),
    ),
    Guard(
        "that a worker has a message is on record first",
        MAILBOX,
        "        self._note(delivered=new)\n",
        "",
        (f"{TAKEN}::test_given_a_message_when_it_is_taken_then_that_is_on_record_before_the_agent_has_it",),
    ),
    Guard(
        "an agent that has not begun is told nothing",
        MAILBOX,
        "        await self._begun.wait()\n",
        "",
        (f"{TAKEN}::test_given_an_agent_that_has_not_said_a_word_when_a_message_comes_then_it_waits",),
    ),
    Guard(
        "a digest that the agent does not keep comes again",
        MAILBOX,
        "        if self._digest and keeps:\n",
        "        if self._digest:\n",
        (f"{TAKEN}::test_given_a_digest_when_the_run_ends_then_it_is_acknowledged_only_where_the_agent_keeps_it",),
    ),
    Guard(
        "no text ends or begins a frame",
        FRAMES,
        ", message.text)\n",
        ", message.text) and message.text\n",
        ("tests/worker/test_worker_mail_text.py",),
    ),
)
