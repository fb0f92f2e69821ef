"""The guards of secrets that are kept elsewhere, and of imported ones."""

from scripts.guards.guard import Guard

ENVIRONMENTS, CONFIGURATION = (f"src/agent_swarm/services/{name}.py" for name in ("environments", "configuration"))
BRIEFING, REPORTS = (f"src/agent_swarm/server/pool/{name}.py" for name in ("briefing", "reports"))

CLAIMS, STORING = "tests/server/pool/test_pool_variables.py", "tests/server/test_config_references.py"

GUARDS = (
    Guard(
        "what was fetched is taken out of what agents say",
        ENVIRONMENTS,
        "        self._register(one.value for one in found if one.is_secret)\n",
        "",
        (
            f"{CLAIMS}::test_given_a_reference_when_a_task_is_claimed_then_the_agent_gets_the_secret_and_nothing_else_does",
        ),
    ),
    Guard(
        "no attempt without its variables",
        ENVIRONMENTS,
        "            raise _missing(missing)\n",
        "            found = [one for one in found if one.missing is None]\n",
        (
            f"{CLAIMS}::test_given_a_secret_that_is_not_there_when_a_task_is_claimed_then_it_waits_and_says_why_and_the_slot_is_free",
        ),
    ),
    Guard(
        "what a backend's library says stays there",
        ENVIRONMENTS,
        'f"its look-up failed ({type(exc).__name__})"',
        'f"its look-up failed ({exc})"',
        (f"{CLAIMS}::test_given_a_backend_that_breaks_when_a_task_is_claimed_then_its_words_reach_nobody",),
    ),
    Guard(
        "a claim is one frame, whatever is fetched for it",
        ENVIRONMENTS,
        "        if size > FETCHED_BYTES:\n",
        "        if False:\n",
        (f"{CLAIMS}::test_given_more_than_a_claim_can_carry_when_it_is_fetched_then_the_attempt_does_not_begin",),
    ),
    Guard(
        "a backend that hangs holds up one claim",
        BRIEFING,
        "                        fetching = asyncio.ensure_future(self._fetch(task, background, deliver))\n",
        "                        await self._fetch(task, background, deliver)\n"
        "                        fetching = asyncio.ensure_future(asyncio.sleep(0))\n",
        (f"{CLAIMS}::test_given_a_backend_that_hangs_when_other_tasks_are_claimed_then_they_are_not_held_up",),
    ),
    Guard(
        "an attempt without its variables is tried again later each time",
        REPORTS,
        "            retry_after=SECRET_MISSING.delay(task.state.losses + 1, (1 + self._draw()) / 2),\n",
        "",
        (f"{CLAIMS}::test_given_ever_the_same_lack_when_a_task_is_tried_then_the_pauses_grow_until_it_fails",),
    ),
    Guard(
        "a reference that could not be followed is not stored",
        CONFIGURATION,
        "            await asyncio.to_thread(self._check_reference, reference)\n",
        "",
        (STORING,),
    ),
    Guard(
        "settings take no references",
        CONFIGURATION,
        "            if wanted.scope is ConfigScope.GLOBAL and wanted.key in self._settings:\n",
        "            if False:\n",
        (STORING,),
    ),
)
