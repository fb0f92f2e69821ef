"""The guards of templates and of mirrored native tasks: when they count, and what they may not read or undo."""

from scripts.guards.guard import Guard

REGISTERING = "src/agent_swarm/store/applying/agents.py"
PROFILES = "src/agent_swarm/store/applying/agent_profiles.py"
DOCUMENT, FIRST_BOOT = "src/agent_swarm/templates/document.py", "src/agent_swarm/worker/first_boot.py"
KEPT, MIRROR = "src/agent_swarm/cli/mirror/kept.py", "src/agent_swarm/cli/mirror/command.py"

SERVED, FOUND = "tests/server/test_first_profiles.py", "tests/worker/test_worker_templates.py"
MIRRORED = "tests/cli/test_cli_mirror.py"

GUARDS = (
    Guard(
        "a template counts for an agent's first process only",
        REGISTERING,
        "    if op.first is not None and (old is None or _was_only_introduced(old)):\n",
        "    if op.first is not None:\n",
        (
            f"{SERVED}::test_given_an_agent_that_people_changed_when_it_registers_again_then_the_template_does_not_count",
        ),
    ),
    Guard(
        "what a worker is told itself beats its template",
        PROFILES,
        " and not getattr(report, name, None)",
        "",
        (f"{SERVED}::test_given_a_worker_with_settings_of_its_own_when_it_registers_then_those_win",),
    ),
    Guard(
        "a template reads nothing outside of its folder",
        DOCUMENT,
        "        if not path.resolve().is_relative_to(folder.resolve()):\n",
        "        if False:\n",
        (f"{FOUND}::test_given_a_template_with_a_link_out_of_it_when_it_is_read_then_it_is_refused",),
    ),
    Guard(
        "a template of a repository is in it",
        FIRST_BOOT,
        "        if not found.is_relative_to(Path(scratch).resolve()):\n",
        "        if False:\n",
        (f"{FOUND}::test_given_a_template_in_a_git_repository_when_it_is_named_by_url_then_it_is_fetched",),
    ),
    Guard(
        "a template that is named later is not applied",
        FIRST_BOOT,
        '    elif (home / "lock").exists():',
        "    elif False:",
        (f"{FOUND}::test_given_an_agent_that_started_without_one_when_a_template_is_named_then_it_is_not_applied",),
    ),
    Guard(
        "a native task that has ended stays ended",
        KEPT,
        'elif known.status not in ("completed", "deleted") or',
        "elif True or",
        (f"{MIRRORED}::test_given_a_task_that_has_ended_when_its_file_says_otherwise_then_it_stays_ended",),
    ),
    Guard(
        "a native task is filed in the words of the first time",
        "src/agent_swarm/cli/mirror/board.py",
        "        one.words = one.words or self._kept.words_of(one)\n",
        "        one.words = self._kept.words_of(one)\n",
        (
            f"{MIRRORED}::test_given_an_answer_that_was_lost_when_the_task_has_changed_meanwhile_then_it_stands_there_once_as_it_is_now",
        ),
        is_slow=True,
    ),
    Guard(
        "a native task that is refused holds up no other one",
        KEPT,
        "        return sorted(found, key=lambda one: one.failures)\n",
        "        return found\n",
        (f"{MIRRORED}::test_given_a_task_that_was_refused_when_others_wait_then_those_come_first",),
    ),
    Guard(
        "a hook succeeds whatever becomes of the board",
        MIRROR,
        "        if hook:  #",
        "        if False:  #",
        (f"{MIRRORED}::test_given_a_server_that_is_down_when_hooks_tell_of_tasks_then_they_succeed_and_it_waits",),
    ),
)
