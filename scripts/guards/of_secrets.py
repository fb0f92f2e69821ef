"""The guards of stored secrets and of the keys that they are encrypted with."""

from scripts.guards.guard import Guard

CONFIGURATION, DATA_KEYS, SEALED = (
    f"src/agent_swarm/store/families/{name}.py" for name in ("configuration", "data_keys", "sealed")
)
STARTING, ROTATION = (f"src/agent_swarm/services/secrets/{name}.py" for name in ("starting", "rotation"))
SEALING, KEYFILE = (f"src/agent_swarm/vault/{name}.py" for name in ("sealing", "keyfile"))
SERVICE, DOMAIN = "src/agent_swarm/services/configuration.py", "src/agent_swarm/domain/configuration.py"
ATTEMPTS, ENVIRONMENT = (f"src/agent_swarm/worker/{name}.py" for name in ("attempts", "environment"))

KEYS_OF_SESSIONS, SIGNING = "src/agent_swarm/store/families/signing_keys.py", "src/agent_swarm/services/signing_keys.py"

SESSIONS = "tests/services/secrets/test_signing_keys.py"
STORE, REST = "tests/store/test_configuration.py", "tests/server/test_config.py"
STARTS, CHANGES = (f"tests/services/secrets/test_{name}.py" for name in ("starting", "rotation"))
TEXTS, FILES = "tests/vault/test_sealing.py", "tests/vault/test_finding.py"
WORKER = "tests/worker/test_worker_stored_environment.py"

GUARDS = (
    Guard(
        "reserved names at the store",
        CONFIGURATION,
        "        require_storable(entry.scope, entry.scope_id, entry.key)\n",
        "",
        (f"{STORE}::test_given_a_name_that_may_not_be_stored_when_the_store_is_told_to_then_it_refuses",),
    ),
    Guard(
        "a value is sealed with the active data key",
        CONFIGURATION,
        "            require_active(desk, entry.text)\n",
        "            pass\n",
        (f"{STORE}::test_given_a_secret_when_its_data_key_is_not_the_active_one_then_it_is_refused",),
    ),
    Guard(
        "a value is sealed anew with the active data key",
        SEALED,
        "        if any(data_key_of(new) != active for _, new in self.texts):\n",
        "        if False:\n",
        (f"{STORE}::test_given_a_slow_server_when_its_data_key_retired_meanwhile_then_it_seals_nothing_with_it",),
    ),
    Guard(
        "a signing key is sealed with the active data key",
        KEYS_OF_SESSIONS,
        "        _require_sealed(desk, self.key.sealed)\n",
        "",
        (f"{STORE}::test_given_a_signing_key_when_it_is_not_sealed_as_it_has_to_be_by_now_then_it_is_refused",),
    ),
    Guard(
        "a signing key that is not sealed is not believed",
        SIGNING,
        "            elif self._vault.master is not None:\n",
        "            elif False:\n",
        (
            f"{SESSIONS}::test_given_a_server_with_a_vault_when_a_key_is_put_unsealed_behind_its_back_then_it_is_not_believed",
        ),
    ),
    Guard(
        "a start seals the signing keys of older versions",
        STARTING,
        "    if sealed := await seal_older(store, vault):\n",
        "    if sealed := 0:\n",
        (
            f"{SESSIONS}::test_given_keys_of_an_older_version_when_a_server_starts_then_they_are_sealed_and_still_believed",
        ),
    ),
    Guard(
        "a data key in use stays",
        SEALED,
        "        if key.is_active or any(text.data_key == key.id for text in sealed_texts(desk)):\n",
        "        if key.is_active:\n",
        (STORE,),
    ),
    Guard(
        "a value made from what is stored",
        CONFIGURATION,
        "        if self.made_from is not None and (old is None or old.text != self.made_from):\n",
        "        if False:\n",
        (f"{STORE}::test_given_an_entry_made_from_one_that_changed_when_it_is_put_then_it_is_refused",),
    ),
    Guard(
        "a change wraps all data keys",
        DATA_KEYS,
        "        if {key.id for key in found} != set(self.wraps):\n",
        "        if False:\n",
        (f"{STORE}::test_given_wraps_of_other_data_keys_when_a_change_begins_then_it_is_refused",),
    ),
    Guard(
        "a sealed value is bound to its row",
        SEALING,
        "    flat = [part for one in parts for part in ((one,) if isinstance(one, str) else one)]\n",
        "    flat = [one for one in parts if isinstance(one, str)]\n",
        (f"{TEXTS}::test_given_two_rows_when_their_values_are_swapped_then_neither_opens",),
    ),
    Guard(
        "one spelling of sealed bytes",
        SEALING,
        "    return raw if encoded(raw) == text else None\n",
        "    return raw\n",
        (f"{TEXTS}::test_given_a_sealed_value_when_any_one_character_is_another_then_it_does_not_open",),
    ),
    Guard(
        "values of secrets are for who administrates",
        SERVICE,
        "    if secrets and not by.may(Scope.CONFIG_ADMIN):\n",
        "    if False:\n",
        (f"{REST}::test_given_a_token_without_the_scope_when_it_asks_for_values_then_it_is_denied_and_no_event_lies",),
    ),
    Guard(
        "an event tells of a value that is shown",
        SERVICE,
        "        await self._store.apply(TellOfReveal(entries=hidden, actor=by.actor))\n",
        "",
        (f"{REST}::test_given_a_secret_when_its_value_is_asked_for_then_an_event_tells_of_it_first",),
    ),
    Guard(
        "a secret becomes plain with a new value only",
        SERVICE,
        "        if old.is_secret and not is_secret:\n",
        "        if False:\n",
        (f"{REST}::test_given_a_secret_when_it_is_to_be_plain_without_a_new_value_then_it_is_refused",),
    ),
    Guard(
        "no start with another key",
        STARTING,
        "        if state.texts or is_shared:\n            raise _wrong(master, state)\n",
        "",
        (f"{STARTS}::test_given_secrets_when_another_key_is_given_then_the_start_names_it_and_the_right_one",),
    ),
    Guard(
        "no new key over secrets",
        STARTING,
        "    if state.texts or (is_shared and state.records):\n",
        "    if False:\n",
        (f"{STARTS}::test_given_secrets_when_the_key_is_gone_then_no_other_is_made_and_the_start_says_what_to_do",),
    ),
    Guard(
        "no start with a damaged value",
        STARTING,
        "    if closed:\n",
        "    if False:\n",
        (f"{STARTS}::test_given_a_value_that_was_changed_in_the_database_when_a_server_starts_then_it_names_it",),
    ),
    Guard(
        "the end of a change is said by who has the next key",
        ROTATION,
        "            if master.id != to:\n",
        "            if False:\n",
        (f"{CHANGES}::test_given_a_key_from_the_environment_when_it_changes_then_people_are_told_what_to_set",),
    ),
    Guard(
        "a key file is private",
        KEYFILE,
        "    if mode & 0o077:\n",
        "    if False:\n",
        (f"{FILES}::test_given_a_key_file_that_others_can_open_when_read_then_it_is_refused_by_name",),
    ),
    Guard(
        "names of the program's own do not reach agents",
        DOMAIN,
        "        and upper not in RESERVED | _SERVERS_OWN | _RUNS_OWN\n",
        "",
        ("tests/domain/test_configuration.py",),
    ),
    Guard(
        "a worker's redactor knows the secrets of the attempt",
        ATTEMPTS,
        "        redactor = self._redactor.also(claim.token, *secrets_of(claim))\n",
        "        redactor = self._redactor.also(claim.token)\n",
        (
            f"{WORKER}::test_given_a_secret_for_an_attempt_when_the_agent_uses_and_says_it_then_it_worked_and_shows_nowhere",
        ),
    ),
    Guard(
        "stored variables do not displace those of the run",
        ENVIRONMENT,
        '{**kept, "PATH": os.defpath, **inherited, **passed, **git, **told}',
        '{"PATH": os.defpath, **inherited, **passed, **git, **told, **kept}',
        (
            f"{WORKER}::test_given_stored_variables_when_others_have_their_names_then_those_of_the_run_and_the_worker_win",
        ),
    ),
)
