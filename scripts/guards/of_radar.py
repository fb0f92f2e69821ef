"""The guards of the conflict radar: nothing runs that somebody else configured, and nobody speaks for another."""

from scripts.guards.guard import Guard

STORED = "src/agent_swarm/store/families/live_work.py"
SERVICE, SHOWN = "src/agent_swarm/services/radar.py", "src/agent_swarm/services/conflicts.py"
RADAR = "src/agent_swarm/worker/radar.py"
SNAPSHOTS, GLANCE, MERGES = (
    f"src/agent_swarm/worker/workspace/{name}.py" for name in ("live_snapshots", "glance", "trial_merges")
)
ON_STORES, SEEN = "tests/store/test_live_work.py", "tests/server/test_conflicts.py"
LOOKS = "tests/worker/workspace/test_radar.py"
TAKEN, MERGED = (f"tests/worker/workspace/test_{name}.py" for name in ("live_snapshots", "trial_merges"))
NOT_ITS = "test_given_a_pair_that_is_not_its_to_tell_when_a_worker_tells_of_it_then_it_does_not_count"

GUARDS = (
    # --- who may say what ---
    Guard(
        "a worker tells of its own attempts alone",
        STORED,
        "        is_own = row.agent_id == self.agent_id and row.fence == one.fence\n",
        "        is_own = row.fence == one.fence\n",
        (f"{ON_STORES}::{NOT_ITS}",),
    ),
    Guard(
        "a worker tells of the attempt that it has now",
        STORED,
        "        is_own = row.agent_id == self.agent_id and row.fence == one.fence\n",
        "        is_own = row.agent_id == self.agent_id\n",
        (f"{ON_STORES}::{NOT_ITS}",),
    ),
    Guard(
        "a pair is told of from one side",
        STORED,
        "one.task_id < one.other_task_id and ",
        "",
        (f"{ON_STORES}::{NOT_ITS}",),
    ),
    Guard(
        "an attempt that is another agent's is not shared",
        SERVICE,
        "    return is_current and state.agent_id == agent_id and task.spec.project_id == project_id\n",
        "    return is_current and task.spec.project_id == project_id\n",
        (f"{SEEN}::test_given_an_attempt_that_is_not_the_agents_when_it_is_shared_then_it_does_not_count",),
    ),
    Guard(
        "an attempt at another project is not shared",
        SERVICE,
        "    return is_current and state.agent_id == agent_id and task.spec.project_id == project_id\n",
        "    return is_current and state.agent_id == agent_id\n",
        (f"{SEEN}::test_given_an_attempt_at_another_project_when_it_is_shared_then_it_does_not_count",),
    ),
    # --- no storm ---
    Guard(
        "the same files are told once",
        STORED,
        '        unknown = [name for name in entry["files"] if name not in told]\n',
        '        unknown = list(entry["files"])\n',
        (
            f"{ON_STORES}::test_given_an_overlap_when_it_is_noted_then_both_agents_hear_of_files_they_did_not_know_and_nobody_is_woken",
        ),
    ),
    Guard(
        "an agent is told so often and no more",
        STORED,
        "        if row.messages >= MOST_MESSAGES:\n",
        "        if False:\n",
        (f"{ON_STORES}::test_given_an_agent_that_was_told_often_when_more_is_found_then_it_is_told_no_more",),
    ),
    # --- what has ended ---
    Guard(
        "an attempt that has ended overlaps with nobody",
        SHOWN,
        "    return task is not None and task.state.is_held and task.state.fence == row.fence\n",
        "    return task is not None\n",
        (f"{SEEN}::test_given_an_overlap_when_an_attempt_has_ended_then_it_is_not_shown_whoever_has_yet_to_remove_it",),
    ),
    Guard(
        "a live snapshot of an attempt that runs is not swept",
        RADAR,
        "if key not in others and key not in fences})\n",
        "})\n",
        (f"{LOOKS}::test_given_snapshots_of_a_killed_worker_when_another_looks_in_company_then_they_are_swept",),
    ),
    # --- whose files ---
    Guard(
        "a ref has what its worker says, or does not count",
        SNAPSHOTS,
        "        return {key: commit for key, commit in others.items() if have.get(key) == commit}\n",
        "        return {key: have[key] for key in others if key in have}\n",
        (f"{TAKEN}::test_given_a_ref_that_somebody_else_wrote_when_it_is_asked_for_then_it_does_not_count",),
    ),
    Guard(
        "large files are not looked at",
        GLANCE,
        "        if size > LARGEST or size > room:\n",
        "        if False:\n",
        (f"{TAKEN}::test_given_files_beyond_the_bounds_when_a_run_is_looked_at_then_they_are_left_out",),
    ),
    Guard(
        "no merge driver of anybody's configuration is run",
        MERGES,
        '    "GIT_CONFIG_GLOBAL": os.devnull,\n',
        "",
        (f"{MERGED}::test_given_merge_drivers_in_every_configuration_when_merged_on_trial_then_none_is_run",),
    ),
    Guard(
        "histories without anything in common are not merged",
        MERGES,
        " and family[one[0]] == family[one[1]]]",
        "]",
        (f"{MERGED}::test_given_a_history_of_its_own_when_merged_on_trial_then_it_is_left_out_and_the_others_are_not",),
    ),
)
