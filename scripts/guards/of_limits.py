"""The guards of limits of providers and of attachments: what counts as no failure, who takes nothing, what is kept."""

from scripts.guards.guard import Guard

COMMANDS, REPORTS = "src/agent_swarm/domain/transitions.py", "src/agent_swarm/server/pool/reports.py"
SLOTS, VIEWS = "src/agent_swarm/worker/slots.py", "src/agent_swarm/services/views.py"
LEASES, ATTACHMENTS = "src/agent_swarm/store/applying/leases.py", "src/agent_swarm/services/attachments.py"

LIFE, RESTING = "tests/store/test_life_cycle.py", "tests/worker/test_worker_resting.py"
SOCKET, ATTACHED = "tests/server/pool/test_pool_socket.py", "tests/server/test_attachments.py"

GUARDS = (
    Guard(
        "a refusal of a provider is no failure",
        COMMANDS,
        "    if command.is_limit:\n        return _put_off(ended, command, now)\n",
        "",
        (
            f"{LIFE}::test_given_a_provider_that_refuses_again_and_again_when_it_is_told_then_nothing_is_counted_and_the_pauses_grow",
        ),
    ),
    Guard(
        "who rests offers nothing",
        SLOTS,
        "        if self._is_closed or self.is_resting:\n",
        "        if self._is_closed:\n",
        (f"{RESTING}::test_given_a_refusal_when_it_is_heard_then_open_credits_are_taken_back_until_it_is_over",),
    ),
    Guard(
        "a rest is that of one process",
        VIEWS,
        "    return found if found is not None and found.instance_id == record.instance_id else None\n",
        "    return found\n",
        (
            f"{SOCKET}::test_given_a_withdrawal_to_rest_when_agents_are_asked_for_then_it_is_known_until_when_and_of_that_process",
        ),
    ),
    Guard(
        "an attempt leaves files with its own task",
        ATTACHMENTS,
        "    if by.task_id != task_id or by.fence is None:\n",
        "    if by.fence is None:\n",
        (
            f"{ATTACHED}::test_given_the_token_of_another_or_of_an_attempt_that_is_over_when_it_leaves_a_file_then_it_is_refused",
        ),
    ),
    Guard(
        "an attempt leaves so many files",
        LEASES,
        "    if earlier is None and len(kept) >= PER_ATTEMPT:\n",
        "    if False:\n",
        (
            f"{ATTACHED}::test_given_as_many_files_as_may_be_when_one_more_is_left_then_it_is_refused_and_others_may_change",
        ),
    ),
    Guard(
        "secrets are taken out of files",
        ATTACHMENTS,
        '    return redactor.text(text).encode("utf-8")\n',
        '    return text.encode("utf-8")\n',
        (
            f"{ATTACHED}::test_given_a_secret_in_a_file_when_it_is_left_then_it_is_taken_out_also_where_it_came_as_base64",
        ),
    ),
)
