"""The guards that only several servers on one database need, most of them shown on a real PostgreSQL.

Not here: the lock of `Telling`. Without it two who catch up read the same pages, and what is told already is left out
all the same; it only spares reads. SKIP LOCKED on timers spares waiting, too: what was found is locked and judged anew.
"""

from scripts.guards.guard import Guard

POSTGRES, COMMITS, ENGINE = (f"src/agent_swarm/store/sql/{name}.py" for name in ("postgres", "commits", "engine"))
CLAIMS, AGENTS = "src/agent_swarm/store/applying/claims.py", "src/agent_swarm/store/applying/agents.py"
STATEMENTS, DISPATCHER = "src/agent_swarm/store/sql/statements.py", "src/agent_swarm/services/dispatch/dispatcher.py"
TELLING, NODE = "src/agent_swarm/store/telling.py", "src/agent_swarm/server/node.py"
ROSTER, TRANSCRIPT = "src/agent_swarm/server/pool/roster.py", "src/agent_swarm/services/transcript_file.py"

SERVERS, NODES = "tests/store/test_postgres_servers.py", "tests/server/test_nodes.py"

GUARDS = (
    Guard(
        "a head is judged again once it is locked",
        CLAIMS,
        "        free = [task_id for task_id in heads if _is_free(work, task_id, class_ids)]\n",
        "        free = heads\n",
        ("tests/store/test_claims.py",),
    ),
    Guard(
        "class of a head that is locked",
        CLAIMS,
        "    return entry.state.ready and entry.claim_class in class_ids\n",
        "    return entry.state.ready\n",
        ("tests/store/test_claims.py",),
    ),
    Guard(
        "a lease that has moved on is not fenced with the old process",
        AGENTS,
        "        if state.agent_id != op.agent.profile.id:\n",
        "        if False:\n",
        (
            f"{SERVERS}::test_given_a_lease_that_another_server_moves_on_when_the_agents_process_is_replaced_then_it_is_left_alone",
        ),
        is_slow=True,
    ),
    Guard(
        "lock of an agent",
        STATEMENTS,
        "lock_agents = agents_by_id.order_by(agent.c.id).with_for_update()\n",
        "lock_agents = agents_by_id.order_by(agent.c.id)\n",
        (
            f"{SERVERS}::test_given_a_process_that_is_being_replaced_elsewhere_when_it_claims_then_it_waits_and_is_refused",
        ),
        is_slow=True,
    ),
    Guard(
        "lock of a task that dependants wait for",
        STATEMENTS,
        "one_of(task.c.id)).order_by(task.c.id).with_for_update()\n\nhas_upstreams",
        "one_of(task.c.id)).order_by(task.c.id)\n\nhas_upstreams",
        (
            f"{SERVERS}::test_given_a_dependant_that_is_being_filed_elsewhere_when_what_it_waits_for_is_cancelled_then_it_is_told",
        ),
        is_slow=True,
    ),
    Guard(
        "claims of one class pass over what is locked",
        STATEMENTS,
        '    .limit(sa.bindparam("limit"))\n    .with_for_update(skip_locked=True)\n)\n\n\n@lru_cache(maxsize=4)',
        '    .limit(sa.bindparam("limit"))\n    .with_for_update()\n)\n\n\n@lru_cache(maxsize=4)',
        (
            f"{SERVERS}::test_given_a_head_that_another_server_is_taking_when_one_claims_then_it_takes_the_next_and_waits_for_nobody",
        ),
        is_slow=True,
    ),
    Guard(
        "claims of several classes pass over what is locked",
        STATEMENTS,
        '        .limit(sa.bindparam("limit"))\n        .with_for_update(skip_locked=True)\n    )\n\n\ndef _integers',
        '        .limit(sa.bindparam("limit"))\n        .with_for_update()\n    )\n\n\ndef _integers',
        (
            f"{SERVERS}::test_given_a_head_that_another_server_is_taking_when_one_claims_then_it_takes_the_next_and_waits_for_nobody",
        ),
        is_slow=True,
    ),
    Guard(
        "what others committed before is told before",
        TELLING,
        "            if missing_up_to > self.told:\n",
        "            if False:\n",
        (
            f"{SERVERS}::test_given_what_another_server_committed_when_this_one_writes_then_that_is_told_before_its_answer",
        ),
        is_slow=True,
    ),
    Guard(
        "what is told is not told again",
        TELLING,
        "        news = tuple(event for event in events if event.seq > self.told)\n",
        "        news = tuple(events)\n",
        (
            f"{SERVERS}::test_given_events_that_were_read_before_their_own_batch_is_told_then_it_still_says_how_far_it_goes",
        ),
        is_slow=True,
    ),
    Guard(
        "a gap in one's own batch is another server's",
        TELLING,
        "    return last if has_gap else first - 1\n",
        "    return first - 1\n",
        (f"{SERVERS}::test_given_a_batch_with_anothers_events_among_its_own_when_it_is_told_then_those_are_told_too",),
        is_slow=True,
    ),
    Guard(
        "a commit without an answer is looked up",
        POSTGRES,
        "            if not self._was_committed(pid, committed, head):\n",
        "            if True:\n",
        (
            f"{SERVERS}::test_given_a_batch_that_is_refused_as_a_whole_when_the_connection_breaks_among_its_parts_then_none_acts_twice",
        ),
        is_slow=True,
    ),
    Guard(
        "a commit without an answer may not have happened",
        POSTGRES,
        "        return fate is Fate.COMMITTED\n",
        "        return True\n",
        (
            f"{SERVERS}::test_given_a_commit_whose_answer_is_lost_when_its_fate_is_found_out_then_the_batch_acts_exactly_once",
        ),
        is_slow=True,
    ),
    Guard(
        "a commit that is still under way is waited for, or ended",
        COMMITS,
        '    if status == "in progress":\n',
        "    if False:\n",
        (
            f"{SERVERS}::test_given_a_transaction_that_is_still_open_when_its_fate_is_found_out_then_it_can_commit_no_more",
        ),
        is_slow=True,
    ),
    Guard(
        "nobody is told that a commit happened of which nobody knows",
        POSTGRES,
        "        if fate is Fate.UNKNOWN:\n",
        "        if False:\n",
        (
            f"{SERVERS}::test_given_a_commit_without_an_answer_when_nobody_can_tell_its_fate_then_the_caller_is_told_to_ask_again",
        ),
        is_slow=True,
    ),
    Guard(
        "what the database undid is done again",
        POSTGRES,
        "            except _UNDONE as exc:\n",
        "            except ZeroDivisionError as exc:\n",
        (f"{SERVERS}::test_given_a_deadlock_when_it_is_broken_then_the_batch_is_done_again",),
        is_slow=True,
    ),
    Guard(
        "a read is of one moment",
        POSTGRES,
        'isolation_level="REPEATABLE READ"',
        'isolation_level="READ COMMITTED"',
        (f"{SERVERS}::test_given_a_read_when_another_server_writes_in_the_midst_of_it_then_it_sees_one_moment",),
        is_slow=True,
    ),
    Guard(
        "the others are told in the commit",
        POSTGRES,
        '        return f"NOTIFY {self._channel}, {sql.Literal(text).as_string(None)}; COMMIT"\n',
        '        return "COMMIT"\n',
        (f"{NODES}::test_given_a_worker_at_one_server_when_a_task_is_filed_at_another_then_it_is_pushed_to_it",),
        is_slow=True,
    ),
    Guard(
        "the database's clock dates a batch",
        POSTGRES,
        "        return int(instant), standing\n",
        "        return now, standing\n",
        (
            f"{SERVERS}::test_given_the_databases_clock_when_a_batch_is_applied_then_it_is_dated_by_it_whatever_the_caller_says",
        ),
        is_slow=True,
    ),
    Guard(
        "events are not dated before those they follow",
        ENGINE,
        "    at = max(now, head.at)",
        "    at = now",
        (f"{SERVERS}::test_given_a_batch_that_began_earlier_and_commits_later_then_time_does_not_go_back",),
        is_slow=True,
    ),
    Guard(
        "leases are left alone when a server comes or goes",
        NODE,
        "            self._ears.timers.grant_grace()\n",
        "            pass\n",
        (
            f"{NODES}::test_given_a_server_that_starts_or_stops_when_others_hear_of_it_then_leases_are_left_alone_for_a_while",
        ),
        is_slow=True,
    ),
    Guard(
        "a server that starts again and again does not stop the reaping",
        NODE,
        "        if self._granted_at is None or now - self._granted_at >= GRACE_EVERY:\n",
        "        if True:\n",
        (
            f"{NODES}::test_given_a_server_that_starts_or_stops_when_others_hear_of_it_then_leases_are_left_alone_for_a_while",
        ),
        is_slow=True,
    ),
    Guard(
        "a connection whose worker has moved is let go",
        ROSTER,
        "        if presence is not None and presence.met_at < at:\n",
        "        if False:\n",
        (f"{NODES}::test_given_a_worker_that_moves_to_another_server_when_it_has_come_in_then_the_first_lets_it_go",),
        is_slow=True,
    ),
    Guard(
        "old news of a move is passed over",
        ROSTER,
        "        if presence is not None and presence.met_at < at:\n",
        "        if presence is not None:\n",
        (f"{NODES}::test_given_notices_that_come_twice_or_tell_of_nothing_when_they_are_heard_then_no_harm_is_done",),
        is_slow=True,
    ),
    Guard(
        "what another server claimed is answered where the worker is",
        DISPATCHER,
        "                if committed.is_foreign:\n",
        "                if False:\n",
        (f"{NODES}::test_given_a_claim_made_where_the_worker_was_when_it_has_moved_then_the_answer_comes_after_it",),
        is_slow=True,
    ),
    Guard(
        "lock of a transcript file",
        TRANSCRIPT,
        "            fcntl.flock(descriptor, fcntl.LOCK_EX)\n",
        "",
        ("tests/services/test_transcript_sharing.py",),
    ),
    Guard(
        "a transcript file is looked at before it is written",
        TRANSCRIPT,
        "            self.catch_up()\n            yield descriptor\n",
        "            yield descriptor\n",
        ("tests/services/test_transcript_sharing.py",),
    ),
)
