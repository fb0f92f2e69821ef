"""The guards of recordings: nothing secret in them, no way out by them; and none of another request for the same."""

from scripts.guards.guard import Guard

FOLDER = "src/agent_swarm/worker/replay"
VALUES, SERVERS = "tests/worker/replay/test_replay_values.py", "tests/worker/replay/test_replay_servers.py"
PLAYED = f"{SERVERS}::test_given_a_recording_when_it_is_played_then_the_first_other_request_is_named"
READ = f"{VALUES}::test_given_a_recording_when_it_is_read_then_steps_are_in_order_and_nothing_secret_is_in_it"

GUARDS = (
    Guard(
        "a request is recorded without secrets",
        f"{FOLDER}/bodies.py",
        "        return redactor.value(json.loads(text))\n",
        "        return json.loads(text)\n",
        (READ,),
    ),
    Guard(
        "an event is recorded without secrets",
        f"{FOLDER}/telling.py",
        "        return replace(event, data=self._redactor.value(event.data))\n",
        "        return event\n",
        (READ,),
    ),
    Guard(
        "of an answer's headers only a few are recorded",
        f"{FOLDER}/tape.py",
        " if _is_kept(name)}",
        "}",
        (READ,),
    ),
    Guard(
        "a recording is for its owner alone",
        f"{FOLDER}/tape.py",
        "os.O_CLOEXEC, 0o600)",
        "os.O_CLOEXEC, 0o644)",
        (READ,),
    ),
    Guard(
        "a secret that comes in pieces is not recorded",
        f"{FOLDER}/bodies.py",
        "        if shown == text and redactor.text(joined) != joined:\n",
        "        if False:\n",
        (f"{VALUES}::test_given_a_secret_that_comes_in_pieces_when_an_answer_is_kept_then_none_of_it_is",),
    ),
    Guard(
        "who takes over does not write over the recording of the first",
        f"{FOLDER}/tape.py",
        "    while path.exists():\n",
        "    path.unlink(missing_ok=True)\n    while path.exists():\n",
        (f"{VALUES}::test_given_an_agent_cli_that_takes_over_when_it_is_recorded_then_the_part_of_the_first_stays",),
    ),
    Guard(
        "a recording has a bound",
        f"{FOLDER}/tape.py",
        "        if self._size + len(line) > self._most:\n",
        "        if False:\n",
        (f"{VALUES}::test_given_a_recording_that_is_full_when_more_comes_then_it_ends_with_a_whole_line",),
    ),
    Guard(
        "a recorder passes on nothing for who does not know its key",
        f"{FOLDER}/routes.py",
        "        if not secrets.compare_digest(key.encode(), self.key.encode()) or name not in self.outside:\n",
        "        if name not in self.outside:\n",
        (f"{SERVERS}::test_given_who_does_not_know_the_key_when_it_asks_then_nothing_is_passed_on",),
    ),
    Guard(
        "a recorder opens no way out",
        f"{FOLDER}/routes.py",
        " if may_reach(url)})",
        "})",
        (
            f"{VALUES}::test_given_a_turn_when_it_is_led_through_the_recorder_then_no_way_out_is_opened_that_was_not_there",
        ),
    ),
    Guard(
        "a replay calls a tool no more often than it was called",
        f"{FOLDER}/mcp.py",
        """        elif request.get("method") != "tools/call":\n""",
        "        else:\n",
        (f"{VALUES}::test_given_a_tool_that_was_called_once_when_it_is_called_twice_then_the_second_call_is_refused",),
    ),
    Guard(
        "an agent that may do everything in its sandbox is not replayed without one",
        f"{FOLDER}/again.py",
        "    if head.is_isolated and SandboxCapability.FILESYSTEM_ISOLATED not in stage.provider.capabilities:\n",
        "    if False:\n",
        (f"{VALUES}::test_given_a_run_that_cannot_be_begun_again_here_when_it_is_replayed_then_nothing_is_started",),
    ),
    Guard(
        "a replay answers only what is the same",
        f"{FOLDER}/player.py",
        " and same(self._recorded.request(one.request), body):",
        ":",
        (PLAYED,),
    ),
    Guard(
        "a replay that has diverged answers nothing more",
        f"{FOLDER}/player.py",
        "        if self.divergence is not None:\n",
        "        if False:\n",
        (PLAYED,),
    ),
)
