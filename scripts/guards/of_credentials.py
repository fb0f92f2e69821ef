"""The guards of credentials: which one is used, that one that rests is not, and that an account is refreshed once."""

from scripts.guards.guard import Guard

RULES, LENDING, BOOK = (
    "src/agent_swarm/domain/credentials.py",
    "src/agent_swarm/worker/lending.py",
    "src/agent_swarm/worker/credential_book.py",
)
CREDENTIALS, ACCOUNTS = "src/agent_swarm/worker/credentials.py", "src/agent_swarm/services/accounts.py"
RULED, POOLED = "tests/domain/test_credentials.py", "tests/worker/test_worker_credentials.py"
KEPT = "tests/services/test_accounts.py"

GUARDS = (
    Guard(
        "a credential that rests is not used",
        RULES,
        "    awake = [[one for one in tier if not _of(known, one).rests(now)] for tier in tiers]\n",
        "    awake = [list(tier) for tier in tiers]\n",
        (f"{RULED}::test_given_one_that_rests_when_work_comes_then_the_others_do_it_and_then_all_share_again",),
    ),
    Guard(
        "who comes back has nothing to catch up",
        RULES,
        "        if other not in known or standing.rests(now):\n",
        "        if False:\n",
        (f"{RULED}::test_given_one_that_rests_when_work_comes_then_the_others_do_it_and_then_all_share_again",),
    ),
    Guard(
        "a longer rest goes on",
        RULES,
        "rests_until=max(standing.rests_until, ends)",
        "rests_until=ends",
        (f"{RULED}::test_given_a_rest_when_a_run_that_began_before_comes_to_a_good_end_then_the_rest_goes_on",),
    ),
    Guard(
        "an attempt sees one credential",
        CREDENTIALS,
        "if name not in variables}",
        "}",
        (f"{POOLED}::test_given_several_credentials_when_an_attempt_begins_then_its_agent_gets_one_and_no_other",),
    ),
    Guard(
        "only keys of the model's provider are tried",
        LENDING,
        "        return (grants.providers[provider],)\n",
        "        return grants.credentials\n",
        (
            f"{POOLED}::test_given_a_cli_of_several_providers_when_one_refuses_then_keys_of_its_models_provider_alone_are_tried",
        ),
    ),
    Guard(
        "where nobody knows whose credential is refused, none of several gets out",
        CREDENTIALS,
        "values[0] for name, values in found.items() if values}",
        "environment[name] for name, values in found.items() if values}",
        (
            f"{POOLED}::test_given_a_cli_of_several_providers_when_one_refuses_then_keys_of_its_models_provider_alone_are_tried",
        ),
    ),
    Guard(
        "stored credentials of other agent CLIs do not get in",
        "src/agent_swarm/worker/environment.py",
        " if name not in not_its_own}",
        "}",
        (
            "tests/worker/test_worker_stored_environment.py::test_given_credentials_of_agent_clis_that_are_stored_when_an_agent_is_of_another_then_it_does_not_get_them",
        ),
    ),
    Guard(
        "as long as one rests it is a limit",
        LENDING,
        "        if last is not None and (awake_at is None or len(self._all) < 2):\n",
        "        if last is not None:\n",
        (
            f"{POOLED}::test_given_one_that_rests_when_the_last_one_is_not_accepted_then_the_attempt_waits_for_the_rest_to_end",
        ),
    ),
    Guard(
        "workers of a host take turns",
        BOOK,
        "            fcntl.flock(descriptor, fcntl.LOCK_EX)\n",
        "            pass\n",
        (
            f"{POOLED}::test_given_workers_that_take_at_the_same_time_when_all_have_taken_then_none_was_taken_twice_in_a_turn",
        ),
    ),
    Guard(
        "one server refreshes",
        ACCOUNTS,
        "            await self._keep(begun, actor=SYSTEM, made_from=kept.entry.text)\n",
        "            await self._keep(begun, actor=SYSTEM)\n",
        (f"{KEPT}::test_given_two_servers_when_an_account_runs_out_then_one_refreshes_it_once",),
    ),
    Guard(
        "an account that was imported again stays",
        ACCOUNTS,
        " or stored.account.refresh_token != before.refresh_token:",
        ":",
        (f"{KEPT}::test_given_a_person_who_imports_again_when_a_refresh_is_under_way_then_theirs_counts",),
    ),
    Guard(
        "accounts are written by imports alone",
        "src/agent_swarm/services/configuration.py",
        "        if wanted.key.startswith(KEY_PREFIX):\n",
        "        if False:\n",
        (f"{KEPT}::test_given_an_account_when_it_is_looked_at_then_no_token_is_shown_and_none_is_stored_openly",),
    ),
)
