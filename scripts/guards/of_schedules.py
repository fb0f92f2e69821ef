"""The guards of schedules: that an instant runs once, and that the clock gives nobody more than they have."""

from scripts.guards.guard import Guard

FIRING, APPLYING = "src/agent_swarm/services/firing.py", "src/agent_swarm/store/applying/schedules.py"
SCHEDULING, SERVICE = "src/agent_swarm/store/scheduling.py", "src/agent_swarm/services/schedules.py"
CRON, RULES = "src/agent_swarm/domain/cron.py", "src/agent_swarm/domain/schedules.py"

KEPT, SERVED = "tests/store/test_schedules.py", "tests/server/test_schedules.py"
CLOCKS, PLANS = "tests/domain/test_cron.py", "tests/domain/test_schedules.py"

GUARDS = (
    Guard(
        "an instant runs when it has come",
        APPLYING,
        "    if schedule.next_at is None or schedule.next_at > now:\n",
        "    if schedule.next_at is None:\n",
        (f"{KEPT}::test_given_an_open_run_when_the_next_is_due_then_the_policy_says_whether_it_begins",),
    ),
    Guard(
        "one that has no run left stays a month",
        APPLYING,
        "    if op.asked is None and (found.look_at is None or found.look_at > work.now):\n        return Fired()\n",
        "",
        (f"{KEPT}::test_given_an_end_when_it_is_reached_then_the_schedule_is_finished_and_goes_away_later",),
    ),
    Guard(
        "what is next moves with the run",
        APPLYING,
        "    desk.change(next_at=plan.next_at)\n",
        "",
        (f"{KEPT}::test_given_an_instant_that_is_due_when_two_servers_fire_it_then_one_task_is_made",),
    ),
    Guard(
        "a schedule that was changed is not fired as it was",
        APPLYING,
        "    if found is None or found.version != op.version:\n",
        "    if found is None:\n",
        (f"{KEPT}::test_given_a_schedule_that_was_changed_or_removed_when_the_old_one_is_fired_then_nothing_happens",),
    ),
    Guard(
        "nothing fires while everything is stopped",
        APPLYING,
        "        return Fired(is_held=is_for_all, is_held_alone=not is_for_all)\n",
        "        pass\n",
        (f"{KEPT}::test_given_the_kill_switch_when_an_instant_is_due_then_nothing_fires_until_it_is_lifted",),
    ),
    Guard(
        "what does not fit is a failed run",
        APPLYING,
        "        except SwarmError as refused:\n            if desk.op.asked:\n                raise\n",
        "        except SwarmError as refused:\n            raise\n",
        (
            f"{KEPT}::test_given_a_cap_that_is_reached_when_a_schedule_of_an_agent_fires_then_its_run_fails_and_nothing_is_made",
        ),
    ),
    Guard(
        "failures in a row pause a schedule",
        APPLYING,
        "    if schedule.status is ScheduleStatus.ACTIVE and 0 < schedule.max_failures <= schedule.failures:\n",
        "    if False:\n",
        (
            f"{KEPT}::test_given_what_does_not_fit_any_more_when_it_is_due_then_runs_fail_until_the_schedule_pauses_itself",
        ),
    ),
    Guard(
        "one that is completed ends the row of failures",
        APPLYING,
        '        desk.change(failures=0, last_failure="")\n',
        "        pass\n",
        (
            f"{KEPT}::test_given_runs_whose_tasks_fail_when_the_next_is_due_then_they_count_and_one_that_is_completed_ends_the_row",
        ),
    ),
    Guard(
        "a run that is asked for twice starts once",
        APPLYING,
        "    desk.work.remember(desk.op.idempotency, (str(run.number),))\n",
        "",
        (f"{KEPT}::test_given_a_run_that_is_asked_for_when_it_is_asked_twice_then_it_starts_once_beside_the_plan",),
    ),
    Guard(
        "a change is of the version that was seen",
        SCHEDULING,
        "        if found.version != self.version:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_schedule_that_was_changed_or_removed_when_the_old_one_is_fired_then_nothing_happens",),
    ),
    Guard(
        "an agent has so many schedules",
        SCHEDULING,
        "        self._require_room(desk)\n",
        "",
        (f"{KEPT}::test_given_a_name_that_is_taken_or_an_agent_with_many_when_one_is_added_then_it_is_refused",),
    ),
    Guard(
        "what an agent's schedule starts is filed as by that agent",
        FIRING,
        "    is_agent = schedule.task_id is not None\n",
        "    is_agent = False\n",
        (f"{SERVED}::test_given_a_lead_when_it_makes_a_schedule_then_its_tasks_are_below_its_own_within_its_caps",),
    ),
    Guard(
        "an agent whose profile files nothing has nothing started",
        FIRING,
        "    if known.own is not None and not known.own.profile.may_file:\n",
        "    if False:\n",
        (
            f"{SERVED}::test_given_a_lead_whose_profile_files_no_tasks_any_more_when_its_schedule_is_due_then_the_run_fails",
        ),
    ),
    Guard(
        "an agent sees its own schedules",
        SERVICE,
        "    if found is None or (by.kind is TokenKind.ATTEMPT and found.agent_id != by.agent_id):\n",
        "    if found is None:\n",
        (f"{SERVED}::test_given_a_lead_when_it_makes_a_schedule_then_its_tasks_are_below_its_own_within_its_caps",),
    ),
    Guard(
        "a time that comes twice stands for the first",
        CRON,
        "    before = wall.replace(tzinfo=zone).astimezone(UTC)  # by the offset that held before a change\n",
        "    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)\n",
        (f"{CLOCKS}::test_given_a_time_that_comes_twice_or_never_then_it_stands_for_one_instant",),
    ),
    Guard(
        "a time that does not exist stands for the change",
        CRON,
        "    return _change_between(after, before, zone)\n",
        "    return _micros(before)\n",
        (f"{CLOCKS}::test_given_a_time_that_comes_twice_or_never_then_it_stands_for_one_instant",),
    ),
    Guard(
        "an interval does not drift",
        RULES,
        "        return Instant(rule.anchor + max(0, (after - rule.anchor) // rule.every + 1) * rule.every)\n",
        "        return Instant(after + rule.every)\n",
        (f"{PLANS}::test_given_an_interval_when_runs_are_late_then_its_instants_stay_where_the_anchor_puts_them",),
    ),
    Guard(
        "runs that are made up for are bounded",
        RULES,
        "        made_up, dropped = due[:MISSED_MAX], due[MISSED_MAX:]\n",
        "        made_up, dropped = due, []\n",
        (f"{PLANS}::test_given_any_time_away_when_it_is_over_then_each_instant_is_run_or_missed_as_the_policy_says",),
    ),
)
