"""The guards of agent CLIs: what a good end is, what is counted, what is refused, and whose keys are held back."""

from scripts.guards.guard import Guard

PI, ACP = "src/agent_swarm/harness/pi", "src/agent_swarm/harness/acp"
OF_PI, OF_ACP = "tests/harness/test_pi_values.py", "tests/harness/test_acp_values.py"
OF_CODEX, OF_COPILOT = "tests/harness/test_codex_values.py", "tests/harness/test_copilot_values.py"

GUARDS = (
    Guard(
        "pi's answer of an earlier run is no good end of this one",
        f"{PI}/reading.py",
        '                self._said, self._answer = "", None\n',
        "                pass\n",
        (
            f"{OF_PI}::TestOutcomes::test_given_a_run_without_an_answer_when_it_settles_then_it_is_not_good_though_the_last_one_was",
        ),
    ),
    Guard(
        "of pi's answers only one that stopped is good",
        f"{PI}/outcomes.py",
        '    if reason == "stop":\n',
        "    if reason:\n",
        (f"{OF_PI}::TestOutcomes::test_given_an_answer_that_is_no_end_when_the_run_settles_then_it_is_not_good",),
    ),
    Guard(
        "pi's server that refuses is named",
        f"{PI}/reading.py",
        "    if not text.startswith(_SERVERS_REFUSED):\n",
        "    if True:\n",
        (f"{OF_PI}::TestEvents::test_given_a_server_that_refuses_its_token_when_pi_tells_of_it_then_it_is_named",),
    ),
    Guard(
        "pi holds no credentials of Claude",
        f"{PI}/launch.py",
        " if not name.startswith(_OF_CLAUDE)}",
        "}",
        (f"{OF_PI}::TestLaunch::test_given_credentials_of_claude_when_pi_is_started_then_it_holds_none_of_them",),
    ),
    Guard(
        "pi has no tool beyond its permission mode",
        f"{PI}/launch.py",
        "    if tools is not None:\n",
        "    if False:\n",
        (f"{OF_PI}::TestLaunch::test_given_a_permission_mode_when_pi_is_started_then_it_has_no_tool_beyond_it",),
    ),
    Guard(
        "pi's own commands are none of a message's",
        f"{PI}/dialogue.py",
        'f"\\n{text}" if text.startswith("/") else text',
        "text",
        (
            f"{OF_PI}::TestMessages::test_given_messages_when_pi_comes_to_them_then_each_is_told_as_delivered_and_begun_in_order",
        ),
    ),
    Guard(
        "a turn of the protocol without a word is not good",
        f"{ACP}/outcomes.py",
        '        case "end_turn" if said:\n',
        '        case "end_turn":\n',
        (f"{OF_ACP}::TestOutcomes::test_given_a_turn_that_ends_without_a_word_when_it_is_judged_then_it_is_not_good",),
    ),
    Guard(
        "the words of a turn are its own",
        f"{ACP}/reading.py",
        '        self.said = ""\n',
        "        pass\n",
        (f"{OF_ACP}::TestOutcomes::test_given_a_turn_that_ends_without_a_word_when_it_is_judged_then_it_is_not_good",),
    ),
    Guard(
        "dollars of a conversation are booked once",
        f"{ACP}/reading.py",
        "self.cost_usd - self.settled_usd, self.cost_usd\n",
        "self.cost_usd, self.cost_usd\n",
        (
            f"{OF_ACP}::TestEvents::test_given_totals_of_a_conversation_when_turns_end_then_each_tells_what_it_alone_has_used",
        ),
    ),
    Guard(
        "no conversation of the protocol begins without its servers",
        f"{ACP}/dialogue.py",
        '            case "initialize" if self._refused:\n',
        '            case "initialize" if False:\n',
        (
            f"{OF_ACP}::TestConversations::test_given_a_server_that_refuses_its_token_when_the_agent_is_there_then_no_conversation_is_opened",
        ),
    ),
    Guard(
        "a server that knows no token of ours refuses",
        f"{ACP}/servers.py",
        "        return exc.code not in (401, 403, 404)\n",
        "        return True\n",
        (
            f"{OF_ACP}::TestServers::test_given_servers_when_they_are_asked_first_then_those_that_let_nobody_in_are_named",
        ),
    ),
    Guard(
        "leave is given by the kind of a tool",
        f"{ACP}/dialogue.py",
        'kinds is None or is_given or call.get("kind") in kinds\n',
        "True\n",
        (
            f"{OF_ACP}::TestPermissions::test_given_a_permission_mode_when_the_agent_asks_for_leave_then_it_has_it_by_the_kind_of_the_tool",
        ),
    ),
    Guard(
        "a history that is told again is not heard",
        f"{ACP}/dialogue.py",
        "        self._is_told_history = self._resumed is not None and self._manner.tells_history_late\n",
        "        self._is_told_history = False\n",
        (
            f"{OF_ACP}::TestConversations::test_given_an_agent_that_tells_its_history_late_when_it_goes_on_then_nothing_of_it_is_told_again",
        ),
    ),
    Guard(
        "a model that failed is no good end, though its agent says so in words alone",
        f"{ACP}/reading.py",
        '        return self._words.pop().removeprefix(_FAILED) if is_last else ""\n',
        '        return ""\n',
        (
            f"{OF_COPILOT}::TestOutcomes::test_given_a_model_that_failed_when_the_turn_ends_as_if_all_were_well_then_it_is_not_good",
        ),
    ),
    Guard(
        "a turn that a refused call ended is no good one",
        f"{ACP}/dialogue.py",
        "        if outcome.ok and self._is_refused and self._manner.leaves_when_refused:\n",
        "        if False:\n",
        (
            f"{OF_COPILOT}::TestOutcomes::test_given_a_call_that_was_refused_when_its_turn_ends_then_it_is_not_good_and_the_next_one_may_be",
        ),
    ),
    Guard(
        "a refused call is one of its turn",
        f"{ACP}/dialogue.py",
        "        self._is_refused = False\n",
        "        pass\n",
        (
            f"{OF_COPILOT}::TestOutcomes::test_given_a_call_that_was_refused_when_its_turn_ends_then_it_is_not_good_and_the_next_one_may_be",
        ),
    ),
    Guard(
        "tokens of a process are booked once",
        f"{ACP}/reading.py",
        "        if self.manner.sums_usage and told:\n",
        "        if False:\n",
        (
            f"{OF_COPILOT}::TestEvents::test_given_totals_of_a_process_when_turns_end_then_each_tells_what_it_alone_has_used",
        ),
    ),
    Guard(
        "the words of a model are no name of a tool",
        f"{ACP}/reading.py",
        '        if self.manner.names_by_kind and (kind := as_text(call.get("kind"))) not in ("", "other"):\n',
        '        if (kind := "") and self.manner.names_by_kind:\n',
        (
            f"{OF_COPILOT}::TestEvents::test_given_a_call_when_it_is_told_first_then_that_is_the_call_by_its_kind_and_what_it_gave_is_read",
        ),
    ),
    Guard(
        "what a CLI says of itself is no result",
        f"{ACP}/reading.py",
        "        if self.manner.notices is not None and self.manner.notices.match(text):\n",
        "        if False:\n",
        (
            f"{OF_COPILOT}::TestEvents::test_given_what_it_says_of_itself_when_it_is_among_words_then_it_is_for_the_log_and_no_word",
        ),
    ),
    Guard(
        "Copilot's rules deny commands and the web",
        f"{ACP}/agents.py",
        ', "--deny-tool=shell", "--deny-tool=url"]\n',
        "]\n",
        (
            f"{OF_COPILOT}::TestWhatItIsGiven::test_given_a_permission_mode_when_it_is_started_then_rules_say_what_it_may_not",
        ),
    ),
    Guard(
        "a model of one's own is the only one that is asked",
        f"{ACP}/agents.py",
        '{"COPILOT_OFFLINE": turn.env.get("COPILOT_OFFLINE") or "true"} if has_own_model else {}\n',
        "{}\n",
        (
            f"{OF_COPILOT}::TestWhatItIsGiven::test_given_a_model_of_ones_own_when_it_is_started_then_it_asks_nobody_else_unless_it_is_told_to",
        ),
    ),
    Guard(
        "values of headers are secrets",
        "src/agent_swarm/domain/credentials.py",
        "    return tuple(dict.fromkeys((value, *ones, *tokens, *sent)))\n",
        "    return tuple(dict.fromkeys((value, *ones, *tokens)))\n",
        (
            "tests/domain/test_credentials.py::test_given_headers_when_their_secrets_are_asked_for_then_each_value_is_one",
        ),
    ),
    Guard(
        "only an effort is told apart from a model's name",
        "src/agent_swarm/harness/kept/effort.py",
        " if model and effort in efforts else ",
        " if model else ",
        (f"{OF_CODEX}::TestLaunch::test_given_a_model_when_it_names_an_effort_then_that_is_told_apart",),
    ),
    Guard(
        "a model is for the agent CLI that a task is for",
        "src/agent_swarm/worker/candidates.py",
        "claim.model if not found else None",
        "claim.model",
        (
            "tests/worker/test_worker_candidates.py::test_given_a_model_of_a_task_when_others_may_go_on_with_it_then_it_is_for_the_first_cli_alone",
        ),
    ),
)
