"""The guards: where each stands, what takes it away, and the tests that must then fail.

`source` is the exact text and stands in its file once. A guard that was moved or rewritten is adapted here; one for
which no test fails needs a test, not a smaller mutation. Those of a single subject are in the modules beside.
"""

from scripts.guards import (
    of_access,
    of_agents,
    of_approvals,
    of_budgets,
    of_clis,
    of_credentials,
    of_deadlines,
    of_leads,
    of_limits,
    of_load,
    of_merge_queue,
    of_messages,
    of_notes,
    of_offers,
    of_radar,
    of_references,
    of_replay,
    of_results,
    of_schedules,
    of_secrets,
    of_servers,
    of_swarms,
    of_templates,
    of_triggers,
    of_vms,
    of_workflows,
)
from scripts.guards.guard import Guard

COMMANDS = "src/agent_swarm/domain/transitions.py"
TASKS, AGENTS, HELD, CLAIMS, WORK = (
    f"src/agent_swarm/store/applying/{name}.py" for name in ("tasks", "agents", "leases", "claims", "work")
)
STATEMENTS, STAGING = "src/agent_swarm/store/sql/statements.py", "src/agent_swarm/store/sql/staging.py"
TOKENS, ACCESS = "src/agent_swarm/services/tokens.py", "src/agent_swarm/server/access.py"
DISPATCHER, OWNERS = "src/agent_swarm/services/dispatch/dispatcher.py", "src/agent_swarm/server/pool/owners.py"
LEASES, SLOTS = "src/agent_swarm/worker/leases.py", "src/agent_swarm/worker/slots.py"
PUMP, UNSENT, FOLLOWING = (f"src/agent_swarm/bus/nats/{name}.py" for name in ("pump", "unsent", "following"))
KILLING, SWITCH = "src/agent_swarm/store/applying/killing.py", "src/agent_swarm/domain/kill_switch.py"
JWTS, LOGINS = "src/agent_swarm/services/jwts.py", "tests/server/test_logins.py"
TIMERS, EXCHANGE = "src/agent_swarm/server/timers.py", "src/agent_swarm/server/pool/exchange.py"

CAPS = "src/agent_swarm/store/applying/caps.py"

TRANSITIONS, LIFE = "tests/domain/test_transitions.py", "tests/store/test_life_cycle.py"
GUARDED, AUTH = "tests/store/test_sqlite_writer.py", "tests/server/test_auth.py"
REPORTS, SOCKET = "tests/server/pool/test_pool_reports.py", "tests/server/pool/test_pool_socket.py"
KILL = "tests/store/test_kill_switch.py"
CAPPED, PERMITTED = "tests/store/test_caps.py", "tests/server/test_permissions.py"
SHARED = "tests/bus/test_nats_transcripts.py"
DISPATCHING, WORKER_LEASES = "tests/services/dispatch/test_dispatcher.py", "tests/worker/test_worker_leases.py"

GUARDS = (
    # --- the rules ---
    Guard(
        "fence of a command",
        COMMANDS,
        "    if command.fence != task.fence:\n",
        "    if False:\n",
        (f"{LIFE}::test_given_a_lapsed_lease_when_its_old_holder_completes_then_the_result_is_refused",),
    ),
    Guard(
        "fence of progress",
        COMMANDS,
        "    if fence != task.fence:\n",
        "    if False:\n",
        (f"{LIFE}::test_given_a_task_that_another_agent_took_when_its_old_holder_tells_progress_then_it_is_refused",),
    ),
    Guard(
        "progress of a held task only",
        COMMANDS,
        "    if not task.is_held:\n        raise IllegalTransition(task.id, status=task.status, command=what",
        "    if False:\n        raise IllegalTransition(task.id, status=task.status, command=what",
        (f"{LIFE}::test_given_a_paused_attempt_when_progress_is_told_then_the_status_stays",),
    ),
    Guard(
        "a worker fails only what is held",
        COMMANDS,
        "    if not task.is_held:  # what waits may fail",
        "    if False:  # what waits may fail",
        (
            f"{TRANSITIONS}::test_given_a_task_that_was_put_aside_when_its_last_worker_tells_another_failure_then_it_is_refused",
        ),
    ),
    Guard(
        "a loss moves the fence",
        COMMANDS,
        'AttemptOutcome.LOST, "", fence=task.fence + 1)',
        'AttemptOutcome.LOST, "", fence=task.fence)',
        (f"{LIFE}::test_given_a_lapsed_lease_when_it_is_reaped_then_the_fence_is_bumped_and_a_loss_is_counted",),
    ),
    Guard(
        "a cancel moves the fence",
        COMMANDS,
        "if outcome else task, status=status, fence=task.fence + 1)",
        "if outcome else task, status=status)",
        (f"{LIFE}::test_given_a_running_task_when_it_is_cancelled_then_the_fence_is_bumped_at_once",),
    ),
    Guard(
        "a claim moves the fence",
        COMMANDS,
        "        fence=task.fence + 1,\n        ready=False,",
        "        fence=task.fence,\n        ready=False,",
        (f"{TRANSITIONS}::test_given_a_claimable_task_when_it_is_claimed_then_attempt_and_fence_grow_by_one",),
    ),
    Guard(
        "a lease lapses at its end, not before",
        COMMANDS,
        "    if task.timer_at is None or task.timer_at > now:\n",
        "    if task.timer_at is None:\n",
        (f"{TRANSITIONS}::test_given_a_lease_when_its_end_comes_then_it_lapses_at_that_instant_and_not_before",),
    ),
    Guard(
        "a lease lapses at its end, not after",
        COMMANDS,
        "    if task.timer_at is None or task.timer_at > now:\n",
        "    if task.timer_at is None or task.timer_at >= now:\n",
        (f"{TRANSITIONS}::test_given_a_lease_when_its_end_comes_then_it_lapses_at_that_instant_and_not_before",),
    ),
    Guard(
        "another result is a conflict",
        COMMANDS,
        "            if task.status is TaskStatus.COMPLETED:\n",
        "            if False:\n",
        (f"{LIFE}::test_given_a_result_when_another_comes_then_it_is_refused",),
    ),
    Guard(
        "only the same result is a repetition",
        COMMANDS,
        "(task.ended_as, task.ended_digest) == ended",
        "task.ended_as == ended[0]",
        (f"{LIFE}::test_given_a_result_when_another_comes_then_it_is_refused",),
    ),
    Guard(
        "a repetition carries the fence that ended",
        COMMANDS,
        "    return task.ended_fence == command.fence and (",
        "    return (",
        (
            f"{TRANSITIONS}::test_given_an_ending_like_that_of_a_later_attempt_when_it_comes_under_an_old_fence_then_it_is_stale",
        ),
    ),
    Guard(
        "a person's pause wins over a shutdown's",
        COMMANDS,
        "reason = task.pause_wanted or command.reason",
        "reason = command.reason",
        (f"{LIFE}::test_given_a_pause_by_a_person_when_the_agent_registers_again_then_it_waits_for_resume",),
    ),
    Guard(
        "an agent resumes only what its shutdown paused",
        COMMANDS,
        "task.pause_reason is PauseReason.SHUTDOWN and task.pinned_agent == agent_id",
        "task.pause_reason is PauseReason.SHUTDOWN",
        (f"{TRANSITIONS}::test_given_what_a_shutdown_paused_when_another_agent_registers_then_it_stays_paused",),
    ),
    # --- the store ---
    Guard(
        "body of an idempotent request",
        WORK,
        "        if known.body_hash != asked.body_hash:\n",
        "        if False:\n",
        (f"{LIFE}::test_given_an_idempotency_key_when_another_body_comes_then_it_is_refused",),
    ),
    Guard(
        "a superseded process may not write",
        WORK,
        "        if agent.instance_id != instance_id:\n",
        "        if False:\n",
        (f"{LIFE}::test_given_a_superseded_process_when_it_renews_or_claims_then_it_is_told_to_stop",),
    ),
    Guard(
        "a superseded process may not come back",
        AGENTS,
        "    if is_new and work.rows.had_instance(",
        "    if False and work.rows.had_instance(",
        (f"{LIFE}::test_given_a_superseded_process_when_it_registers_again_then_it_is_told_to_stop",),
    ),
    Guard(
        "fence of a renewal",
        HELD,
        "(held.fence, op.agent_id, op.instance_id) == (state.fence, state.agent_id, state.instance_id)",
        "(op.agent_id, op.instance_id) == (state.agent_id, state.instance_id)",
        (f"{LIFE}::test_given_an_agent_that_took_the_task_anew_when_it_renews_its_old_lease_then_that_is_refused",),
    ),
    Guard(
        "agent of a renewal",
        HELD,
        "(held.fence, op.agent_id, op.instance_id) == (state.fence, state.agent_id, state.instance_id)",
        "held.fence == state.fence",
        (f"{LIFE}::test_given_the_lease_of_one_agent_when_another_renews_it_then_that_is_refused",),
    ),
    Guard(
        "agent of a claim that comes again",
        CLAIMS,
        "if state.agent_id != op.agent_id or not state.is_held or state.fence != fence:",
        "if not state.is_held or state.fence != fence:",
        (f"{LIFE}::test_given_the_claim_of_one_agent_when_another_sends_it_then_it_is_stale",),
    ),
    Guard(
        "fence of a claim that comes again",
        CLAIMS,
        "if state.agent_id != op.agent_id or not state.is_held or state.fence != fence:",
        "if state.agent_id != op.agent_id or not state.is_held:",
        (f"{LIFE}::test_given_an_agent_that_took_the_task_anew_when_its_old_claim_comes_again_then_it_is_stale",),
    ),
    Guard(
        "costs are booked once",
        HELD,
        "    if not work.rows.add_usage(op, work.now):\n        return False\n",
        "    work.rows.add_usage(op, work.now)\n",
        (f"{LIFE}::test_given_usage_when_it_is_told_twice_then_it_is_booked_once_also_for_a_stale_lease",),
    ),
    Guard(
        "fence in the WHERE of an update",
        STATEMENTS,
        '                task.c.fence == values["was_fence"],\n',
        "",
        (f"{GUARDED}::test_given_a_row_changed_behind_the_writers_back_when_it_decides_then_it_reads_anew",),
    ),
    Guard(
        "status in the WHERE of an update",
        STATEMENTS,
        '                task.c.status == values["was_status"],\n',
        "",
        (f"{GUARDED}::test_given_a_row_changed_behind_the_writers_back_when_it_decides_then_it_reads_anew",),
    ),
    Guard(
        "an update that met no row",
        STAGING,
        "            if met != len(rows):\n",
        "            if False:\n",
        (f"{GUARDED}::test_given_a_row_changed_behind_the_writers_back_when_it_decides_then_it_reads_anew",),
    ),
    Guard(
        "leases are spared in the grace",
        STATEMENTS,
        "due_timers.where(task.c.status.not_in(_HELD))",
        "due_timers",
        (f"{LIFE}::test_given_a_server_that_just_started_when_leases_are_spared_then_a_late_renewal_saves_them",),
    ),
    # --- who may ---
    Guard(
        "fence of an attempt's token",
        TOKENS,
        " or task.fence != record.fence",
        "",
        (f"{AUTH}::test_given_a_second_attempt_when_the_first_ones_token_is_used_then_it_is_refused",),
    ),
    Guard(
        "an attempt's token ends with it",
        TOKENS,
        "task is None or not task.is_held or",
        "task is None or",
        (f"{AUTH}::test_given_the_token_of_an_attempt_when_the_attempt_ends_then_it_is_refused",),
    ),
    Guard(
        "epoch of a token",
        TOKENS,
        "    if record.epoch != epoch:\n",
        "    if False:\n",
        (f"{AUTH}::test_given_a_token_of_an_earlier_epoch_when_it_is_judged_then_only_the_operators_counts",),
    ),
    # --- the kill switch ---
    Guard(
        "claims while it is on",
        CLAIMS,
        "            elif stopping(work.rows.killed(), op.agent_id, agent.profile.swarm_id) is None:",
        "            else:",
        (f"{KILL}::test_given_the_switch_is_on_when_credits_come_then_they_wait_and_nothing_can_be_filed",),
    ),
    Guard(
        "fence of a killed attempt",
        COMMANDS,
        'AttemptOutcome.KILLED, "", status=status, fence=task.fence + 1)',
        'AttemptOutcome.KILLED, "", status=status)',
        (
            f"{KILL}::test_given_running_attempts_when_everything_is_killed_then_each_ends_and_its_task_waits_for_a_person",
        ),
    ),
    Guard(
        "the lease of a worker that has not heard",
        COMMANDS,
        "not_before=task.lease_expires_at",
        "not_before=None",
        (
            f"{KILL}::test_given_a_worker_that_does_not_confirm_when_its_task_is_resumed_then_it_waits_for_the_end_of_the_lease",
        ),
    ),
    Guard(
        "epoch of the kill switch",
        KILLING,
        "        work.rows.raise_epoch()\n",
        "        pass\n",
        (f"{KILL}::test_given_tokens_when_the_switch_is_used_then_only_those_made_afterwards_have_the_epoch",),
    ),
    Guard(
        "tokens of one agent that is killed",
        KILLING,
        "        work.rows.revoke_tokens(work.now, kind=TokenKind.AGENT, agent_id=switch.scope_id)\n",
        "        pass\n",
        (f"{KILL}::test_given_two_agents_when_one_is_killed_then_the_other_goes_on",),
    ),
    Guard(
        "requests while it is on",
        ACCESS,
        "                self._door.board.refuse()\n",
        "                pass\n",
        (
            "tests/server/test_kill_switch.py::test_given_the_switch_is_on_when_others_ask_for_something_then_it_is_503_with_the_reason",
        ),
    ),
    Guard(
        "what holds it down beside a flag",
        SWITCH,
        "if switch.is_killed and not left.holders else left",
        "if switch.is_killed else left",
        (f"{KILL}::test_given_a_request_and_a_flag_when_the_flag_goes_then_the_request_still_holds",),
    ),
    Guard(
        "who may lift it",
        "src/agent_swarm/services/kill_switch.py",
        "    if not by.may(Scope.KILL_SWITCH_ADMIN):\n",
        "    if False:\n",
        ("tests/server/test_kill_switch.py::test_given_a_token_that_may_only_stop_when_it_lifts_then_that_is_denied",),
    ),
    Guard(
        "kind of token of a route",
        ACCESS,
        "        if identity.kind not in self.kinds:\n",
        "        if False:\n",
        (
            "tests/server/test_access.py::test_given_every_kind_of_token_when_a_route_is_called_then_only_those_of_the_table_pass",
        ),
    ),
    Guard(
        "scope of a route",
        ACCESS,
        "        if not any(identity.may(scope) for scope in self.scopes):\n",
        "        if False:\n",
        (
            "tests/server/test_access.py::test_given_every_kind_of_token_when_a_route_is_called_then_only_those_of_the_table_pass",
        ),
    ),
    Guard(
        "a worker writes about its own attempts",
        OWNERS,
        "    if owner is not None and owner.agent_id != agent_id:\n",
        "    if False:\n",
        (f"{REPORTS}::test_given_another_agents_attempt_when_a_worker_writes_about_it_then_it_is_denied",),
    ),
    Guard(
        "a greeting is for the token's own process",
        EXCHANGE,
        "        if body.instance_id != self._presence.instance_id:\n",
        "        if False:\n",
        (f"{SOCKET}::test_given_a_hello_of_another_process_when_the_token_is_not_its_own_then_it_has_to_register",),
    ),
    Guard(
        "a credit belongs to the process that made it",
        DISPATCHER,
        "        if (old.agent.id, old.instance_id) != (seat.agent.id, seat.instance_id):\n",
        "        if False:\n",
        (f"{DISPATCHING}::test_given_a_claim_id_of_another_agent_when_it_is_offered_then_it_is_refused",),
    ),
    Guard(
        "only its own agent withdraws a credit",
        DISPATCHER,
        "            if credit is None or credit.seat.agent.id != agent_id:\n",
        "            if credit is None:\n",
        (f"{DISPATCHING}::test_given_a_waiting_credit_when_another_agent_withdraws_it_then_it_still_waits",),
    ),
    Guard(
        "leases are left alone after a start",
        TIMERS,
        " and now >= self._leases_from",
        "",
        (
            "tests/server/test_timers.py::test_given_a_server_that_just_started_when_a_lease_lapses_then_it_is_left_alone_for_one_lease",
        ),
    ),
    # --- the worker ---
    Guard(
        "a claim may not act before a renewal",
        LEASES,
        "        return held is not None and held.sent_at is not None and now < held.cut_at\n",
        "        return held is not None and (held.sent_at is None or now < held.cut_at)\n",
        (f"{WORKER_LEASES}::test_given_a_new_claim_when_no_renewal_was_answered_then_nothing_may_act_under_it",),
    ),
    Guard(
        "effects are cut at 80 %",
        LEASES,
        "CUT_AT = 0.8",
        "CUT_AT = 1.0",
        (f"{WORKER_LEASES}::test_given_a_renewal_when_80_percent_of_the_lease_are_over_then_effects_are_cut_once",),
    ),
    Guard(
        "an overtaken answer changes nothing",
        LEASES,
        "held.sent_at is None or sent_at >= held.sent_at",
        "True",
        (f"{WORKER_LEASES}::test_given_answers_out_of_order_when_the_older_one_comes_last_then_it_changes_nothing",),
    ),
    Guard(
        "a credit is taken once",
        SLOTS,
        "        if claim_id not in self._open:\n            return False\n        del self._open[claim_id]\n",
        "        self._open.pop(claim_id, None)\n",
        (
            "tests/worker/test_worker_slots.py::test_given_an_answered_credit_when_it_is_answered_again_then_it_is_not_ours_any_more",
        ),
    ),
    # --- between nodes ---
    Guard(
        "a message is known by its last line, too",
        PUMP,
        "/{first}-{first + len(lines)}",
        "/{first}",
        (
            f"{SHARED}::test_given_a_worker_that_sends_the_same_and_more_to_another_node_then_nothing_is_taken_for_a_repetition",
        ),
    ),
    Guard(
        "lines that were written meanwhile keep their mark",
        UNSENT,
        "self._writers[key] or self._growths[key] != growth",
        "self._writers[key]",
        ("tests/bus/test_unsent.py::test_given_somebody_who_writes_when_what_was_seen_is_shared_then_the_mark_stays",),
    ),
    Guard(
        "a place counts in its own stream only",
        FOLLOWING,
        "place.stream != identity or ",
        "",
        (
            "tests/bus/test_following.py::test_given_a_place_in_a_stream_that_was_made_anew_then_reading_begins_at_its_start",
        ),
    ),
    Guard(
        "a stream that lost its end is read again",
        FOLLOWING,
        " or place.seq > info.state.last_seq",
        "",
        ("tests/bus/test_following.py::test_given_a_stream_that_lost_its_end_then_reading_begins_at_its_start",),
    ),
    Guard(
        "a missing message is noticed",
        FOLLOWING,
        "        if found.sequence.consumer != self._expected:\n",
        "        if False:\n",
        (
            "tests/bus/test_following.py::test_given_a_message_that_is_lost_on_the_way_then_it_is_read_again_before_what_follows",
        ),
    ),
    # --- what agents may do ---
    Guard(
        "caps of what agents file",
        CAPS,
        "    if op.capped is None:\n",
        "    if True:\n",
        (
            f"{CAPPED}::test_given_a_full_task_when_an_agent_files_below_it_then_the_refusal_names_cap_value_and_setting",
        ),
    ),
    Guard(
        "what others of the batch file counts",
        CAPS,
        "            work.tallies[tally] += 1\n",
        "            pass\n",
        (
            f"{CAPPED}::test_given_several_requests_in_one_batch_when_they_would_pass_a_cap_together_then_the_last_ones_"
            "are_refused",
        ),
    ),
    Guard(
        "tokens under a profile that files nothing",
        CLAIMS,
        "    if not granted.profile.may_file:\n",
        "    if False:\n",
        (f"{PERMITTED}::test_given_a_read_only_attempt_of_a_lead_when_it_files_a_task_then_its_token_may_not",),
    ),
    Guard(
        "no wider profile for others",
        "src/agent_swarm/services/permissions.py",
        "    if own is not None and not profile.is_within(own.profile):\n",
        "    if False:\n",
        (f"{PERMITTED}::test_given_a_lead_under_a_profile_when_it_files_tasks_then_they_get_no_more_than_it_has",),
    ),
    Guard(
        "agents whose worker cannot enforce their profile",
        AGENTS,
        "    if granted.is_required:\n",
        "    if False:\n",
        (f"{PERMITTED}::test_given_an_agent_with_a_profile_when_it_registers_anew_then_it_keeps_it",),
    ),
    Guard(
        "runs whose profile cannot be enforced",
        "src/agent_swarm/worker/permissions.py",
        "    if reasons and asked.required:\n",
        "    if False:\n",
        (
            "tests/worker/test_worker_permissions.py::test_given_plain_processes_when_a_read_only_task_is_claimed_then_"
            "nothing_runs_and_it_is_not_tried_again",
        ),
    ),
    # --- people ---
    Guard(
        "header of a session's token",
        JWTS,
        '    if header != {"alg": ALGORITHM, "typ": use.type, "kid": kid} or not _is_id(kid):\n',
        "    if not _is_id(kid):\n",
        ("tests/services/test_jwts.py::test_given_another_header_when_the_token_is_read_then_it_does_not_count",),
    ),
    Guard(
        "end of a session's token",
        JWTS,
        "    if claims.expires_at + SKEW <= now:\n",
        "    if False:\n",
        (f"{LOGINS}::test_given_an_access_token_when_its_time_is_over_then_only_a_refresh_helps",),
    ),
    Guard(
        "a refresh token is good once",
        "src/agent_swarm/store/families/sessions.py",
        "        if self.number != session.number:\n",
        "        if False:\n",
        (f"{LOGINS}::test_given_a_used_refresh_token_when_it_comes_again_then_the_whole_session_ends",),
    ),
    Guard(
        "epoch of sessions",
        "src/agent_swarm/store/families/sessions.py",
        "    if session.epoch != epoch:\n",
        "    if False:\n",
        (f"{LOGINS}::test_given_many_sessions_when_all_are_revoked_then_none_counts_and_api_keys_do",),
    ),
    Guard(
        "a session ends with its API key",
        "src/agent_swarm/services/sessions.py",
        "    if not why_not and session is not None and session.key_hash:\n",
        "    if False:\n",
        (f"{LOGINS}::test_given_a_session_of_an_api_key_when_another_key_replaces_it_then_the_session_ends",),
    ),
    Guard(
        "ended sessions are forgotten",
        "src/agent_swarm/server/auth.py",
        '        *((f"session:{identity.token_id}", identity.owner) if identity.kind is TokenKind.USER else ()),\n',
        "",
        (f"{LOGINS}::test_given_an_own_session_when_it_is_revoked_then_its_tokens_end_and_others_go_on",),
    ),
    Guard(
        "a role has its scopes only",
        TOKENS,
        "if scope.endswith(_ENDINGS[role])",
        "if True",
        (
            "tests/server/test_access.py::test_given_every_kind_of_token_when_a_route_is_called_then_only_those_of_the_table_pass",
        ),
    ),
    Guard(
        "locks of log-ins",
        "src/agent_swarm/server/logins.py",
        "        if asked.locked_for:\n",
        "        if False:\n",
        (
            f"{LOGINS}::test_given_wrong_passwords_when_there_were_too_many_then_log_ins_from_there_are_locked_for_a_while",
        ),
    ),
    Guard(
        "rates",
        ACCESS,
        "            self._door.rates.check(identity, self._rate_class)\n",
        "            pass\n",
        (
            "tests/server/test_rates.py::test_given_a_user_who_asks_too_often_when_the_burst_is_over_then_it_is_429_with_retry_after",
        ),
    ),
    Guard(
        "a forwarded address of a trusted proxy only",
        "src/agent_swarm/server/peers.py",
        "        while hops and self._is_trusted(nearest):\n",
        "        while hops:\n",
        (
            "tests/server/test_peers.py::test_given_a_trusted_proxy_when_it_names_a_client_then_the_last_untrusted_address_counts",
        ),
    ),
    *of_servers.GUARDS,
    *of_secrets.GUARDS,
    *of_references.GUARDS,
    *of_leads.GUARDS,
    *of_offers.GUARDS,
    *of_radar.GUARDS,
    *of_deadlines.GUARDS,
    *of_replay.GUARDS,
    *of_results.GUARDS,
    *of_limits.GUARDS,
    *of_load.GUARDS,
    *of_credentials.GUARDS,
    *of_messages.GUARDS,
    *of_approvals.GUARDS,
    *of_notes.GUARDS,
    *of_access.GUARDS,
    *of_agents.GUARDS,
    *of_swarms.GUARDS,
    *of_templates.GUARDS,
    *of_schedules.GUARDS,
    *of_triggers.GUARDS,
    *of_merge_queue.GUARDS,
    *of_budgets.GUARDS,
    *of_workflows.GUARDS,
    *of_vms.GUARDS,
    *of_clis.GUARDS,
)
