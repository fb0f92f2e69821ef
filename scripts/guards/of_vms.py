"""The guards of VMs: what is never written to, whose turn it is, whom a signal may reach, what stays secret."""

from scripts.guards.guard import Guard

VM = "src/agent_swarm/vm"
IMAGES, PROJECTS, PROCESSES, JOURNAL = (f"{VM}/{name}.py" for name in ("images", "projects", "processes", "journal"))
CLEANING, SSH = f"{VM}/cleaning.py", f"{VM}/ssh.py"

RULES, KILLS, DOWNLOADS = (f"tests/vm/test_{name}.py" for name in ("vm_rules", "image_kills", "image_download"))
_CHANGED = f"{RULES}::test_given_a_base_image_that_was_changed_when_a_project_is_wanted_then_it_is_refused"
_SECRET = f"{RULES}::test_given_a_variable_when_it_is_used_then_its_value_is_in_no_argument_and_in_no_file"
_LENT = f"{RULES}::test_given_runs_and_sessions_then_the_ssh_agent_is_lent_to_sessions_alone"
_CUT_OFF = f"{KILLS}::test_given_downloads_that_were_cut_off_then_gc_removes_old_ones_that_no_command_holds"
_MADE_NOW = f"{RULES}::test_given_an_image_that_another_command_makes_then_gc_and_the_next_build_leave_it_alone"

GUARDS = (
    Guard(
        "nobody may write to a layer that others lie on",
        f"{VM}/qemu/image_tool.py",
        "    path.chmod(SEALED_MODE)\n",
        "    pass\n",
        (f"{RULES}::test_given_a_base_image_when_vms_are_made_of_it_then_nobody_may_write_to_it_and_it_is_as_it_was",),
    ),
    Guard(
        "a project is made of an image that is as it was",
        PROJECTS,
        "        images.verify(image)\n",
        "",
        (_CHANGED,),
    ),
    Guard(
        "the checksum of a part is compared",
        IMAGES,
        "        if actual != expected:\n",
        "        if False:\n",
        (_CHANGED,),
    ),
    Guard(
        "the checksum that was told is compared",
        IMAGES,
        "    if (actual := _sha256(disk)) != expected.lower():\n",
        "    if not (actual := _sha256(disk)):\n",
        (f"{RULES}::test_given_another_checksum_than_was_told_then_an_image_is_refused",),
    ),
    Guard(
        "the checksum of what was fetched is compared",
        f"{VM}/building/download.py",
        "    if (actual := _sha256(part)) != sha256.lower():\n",
        "    if not (actual := _sha256(part)):\n",
        (f"{DOWNLOADS}::test_given_another_content_when_it_is_fetched_then_it_is_refused_and_nothing_is_left",),
    ),
    Guard(
        "a project stays while it has clones",
        PROJECTS,
        "        if clones := clones_of(registry, row.ref):\n",
        "        if clones := []:\n",
        (f"{RULES}::test_given_a_project_with_a_clone_when_it_is_deleted_then_it_is_refused_until_the_clone_is_gone",),
    ),
    Guard(
        "a project stays while a clone is being made",
        PROJECTS,
        "    return sorted(known | coming)\n",
        "    return sorted(known)\n",
        (f"{RULES}::test_given_a_clone_that_is_being_made_when_its_project_is_deleted_then_it_is_refused",),
    ),
    Guard(
        "one command at a time per VM",
        f"{VM}/locks.py",
        "    while not _try_lock(descriptor):\n",
        "    while False:\n",
        (f"{RULES}::test_given_a_command_on_a_vm_when_another_one_comes_then_it_does_nothing",),
    ),
    Guard(
        "a signal for the process that was meant alone",
        PROCESSES,
        "        if self.is_running():\n",
        "        if True:\n",
        (f"{RULES}::test_given_the_pid_of_a_vm_that_another_process_has_now_when_it_is_ended_then_that_one_lives_on",),
    ),
    Guard(
        "a process is known by when it started",
        PROCESSES,
        "bool(self.started) and started(self.pid) == self.started",
        "bool(self.started) and bool(started(self.pid))",
        (
            "tests/vm/test_vm_locks.py::test_given_this_process_then_it_runs_and_one_of_another_time_does_not",
            f"{RULES}::test_given_the_pid_of_a_vm_that_another_process_has_now_when_it_is_ended_then_that_one_lives_on",
        ),
    ),
    Guard(
        "a process of Windows that has ended does not run",
        PROCESSES,
        " if is_told and code.value == _STILL_ACTIVE else",
        " if is_told else",
        (f"{RULES}::test_given_windows_when_a_process_is_asked_for_then_it_is_known_by_when_it_began",),
    ),
    Guard(
        "a step is written down before the next thing is done",
        JOURNAL,
        "        self.registry.advance(self.number, step)\n",
        "",
        (
            f"{RULES}::test_given_an_operation_when_it_gets_further_then_that_is_written_down_before_the_next_thing_is_done",
        ),
    ),
    Guard(
        "variables are named in arguments, not told",
        SSH,
        "variables=sorted(given), lends",
        'variables=sorted(f"{name}={value}" for name, value in given.items()), lends',
        (_SECRET,),
    ),
    Guard(
        "the SSH agent is lent where that was asked for alone",
        SSH,
        '    agent = "-A" if forward_agent else "-a"\n',
        '    agent = "-A"\n',
        (_LENT,),
    ),
    Guard(
        "a guest with a list of hosts has no network",
        f"{VM}/qemu/command_line.py",
        "    if machine.egress is not Egress.OPEN:\n",
        "    if machine.egress is Egress.NONE:\n",
        (f"{RULES}::test_given_a_new_task_then_it_reaches_what_is_listed_and_has_no_network",),
    ),
    Guard(
        "gc leaves an image alone that is being made",
        CLEANING,
        "            if not is_ours or not path.exists():\n",
        "            if not path.exists():\n",
        (_MADE_NOW,),
    ),
    Guard(
        "whoever makes an image has its lock",
        IMAGES,
        "    with being_made(layout, path):\n",
        "    with suppress():\n",
        (_MADE_NOW,),
    ),
    Guard(
        "gc leaves a download alone that a command holds",
        CLEANING,
        "            if not is_ours or age < DOWNLOAD_KEPT:\n",
        "            if age < DOWNLOAD_KEPT:\n",
        (_CUT_OFF,),
    ),
    Guard(
        "a download that was cut off is kept for a week",
        CLEANING,
        "            age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)\n",
        "            age = DOWNLOAD_KEPT + (now - now)\n",
        (_CUT_OFF,),
    ),
    Guard(
        "files of unknown VMs stay unless asked for",
        CLEANING,
        " if unknown else [])",
        ")",
        (f"{RULES}::test_given_leftovers_when_nobody_asks_for_unknown_vms_then_those_stay",),
    ),
)
