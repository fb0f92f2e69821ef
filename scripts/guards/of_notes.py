"""The guards of notes and of values under keys: whose they are, that versions compare, and what may be stored."""

from scripts.guards.guard import Guard

NOTES, NOTING = "src/agent_swarm/store/families/notes.py", "src/agent_swarm/services/memory.py"
SEARCH, SEARCHING = "src/agent_swarm/domain/notes.py", "src/agent_swarm/store/sql/searching.py"
VALUES, KEEPING = "src/agent_swarm/store/families/kv.py", "src/agent_swarm/services/kv.py"

KEPT, SERVED = "tests/store/test_notes.py", "tests/server/test_memory.py"
MEANT = "tests/server/test_memory_meaning.py"
COUNTED, ASKED = "tests/store/test_kv.py", "tests/server/test_kv.py"

GUARDS = (
    Guard(
        "a note that may not be is refused by the store, too",
        NOTES,
        "        require_note(note.name, note.tags, note.text)\n",
        "",
        (f"{KEPT}::test_given_a_note_that_may_not_be_when_the_store_is_told_to_then_it_refuses",),
    ),
    Guard(
        "no note takes the place of another with its number",
        NOTES,
        "            if desk.get(NOTES, put.number) is not None:",
        "            if False:",
        (
            f"{KEPT}::test_given_two_notes_with_the_same_number_when_the_second_is_stored_then_it_is_refused_and_the_first_stays",
        ),
    ),
    Guard(
        "what a note meant goes when it is written anew",
        NOTES,
        "            desk.remove(NOTE_VECTORS, old.scope, old.scope_id, -old.number)",
        "            pass",
        (
            f"{KEPT}::test_given_a_note_with_a_vector_when_it_is_written_anew_or_removed_then_the_vector_goes_with_the_old_text",
        ),
    ),
    Guard(
        "a vector is kept for the text that it is of",
        "src/agent_swarm/store/families/note_vectors.py",
        "if found is None or (found.id, found.updated_at) != (note.id, note.updated_at):",
        "if found is None:",
        (f"{KEPT}::test_given_vectors_of_notes_when_they_are_kept_then_only_of_those_that_are_still_what_was_read",),
    ),
    Guard(
        "no meaning leads to notes of another agent",
        "src/agent_swarm/services/embedding/meaning.py",
        "    if places is None:\n",
        "    if True:\n",
        (f"{MEANT}::test_given_notes_of_another_agent_when_an_attempt_searches_then_no_meaning_leads_to_them",),
    ),
    Guard(
        "a model hears no secret of a query",
        NOTING,
        "self.meaning.of_query(self._redactor.text(query))",
        "self.meaning.of_query(query)",
        (f"{MEANT}::test_given_a_secret_in_a_note_and_a_query_then_the_model_does_not_hear_it",),
    ),
    Guard(
        "an agent removes what it wrote",
        NOTES,
        "        if self.author_only and found.updated_by != self.actor:\n",
        "        if False:\n",
        (f"{KEPT}::test_given_a_note_of_somebody_else_when_only_its_author_may_remove_it_then_that_is_refused",),
    ),
    Guard(
        "a note that was removed and stored anew is another",
        NOTES,
        "        if found is None or found.id != self.note.id:\n",
        "        if found is None:\n",
        (f"{KEPT}::test_given_a_note_in_the_place_of_another_when_that_one_is_removed_then_it_stays",),
    ),
    Guard(
        "a note of another agent is not there",
        NOTING,
        "    if found is None or found.id != known or not is_seen:\n",
        "    if found is None or found.id != known:\n",
        (f"{SERVED}::test_given_a_note_of_another_agent_when_an_attempt_asks_for_it_then_it_is_not_there",),
    ),
    Guard(
        "a search looks in the places that are seen",
        SEARCH,
        '        places = tuple(f" {place.mark} " for place in self.places or ())\n',
        "        places: Needle = ()\n",
        (
            f"{SERVED}::test_given_attempts_of_two_agents_when_they_look_then_each_sees_its_own_its_project_and_the_swarm",
        ),
    ),
    Guard(
        "an attempt stores in places of its own",
        "src/agent_swarm/services/standing.py",
        "        if self.places is not None and place not in self.places:\n",
        "        if False:\n",
        (f"{SERVED}::test_given_a_note_of_another_agent_when_an_attempt_asks_for_it_then_it_is_not_there",),
    ),
    Guard(
        "what the index is not asked for is read off the rows",
        SEARCHING,
        """            more += f" AND ({' OR '.join(here)})"\n""",
        "            more += ''\n",
        (
            f"{KEPT}::test_given_more_notes_than_are_looked_through_when_words_are_looked_for_then_older_ones_are_found_by_the_index",
        ),
    ),
    Guard(
        "older notes are looked for, too",
        SEARCHING,
        "        return self._indexed(asked, [needle for needle in needles if needle not in asked], limit)\n",
        "        return found\n",
        (
            f"{KEPT}::test_given_more_notes_than_are_looked_through_when_words_are_looked_for_then_older_ones_are_found_by_the_index",
        ),
    ),
    Guard(
        "secrets are taken out of notes",
        NOTING,
        "        text = self._redactor.text(wanted.text)\n",
        "        text = wanted.text\n",
        (f"{SERVED}::test_given_a_secret_in_a_note_when_it_is_stored_then_it_is_taken_out",),
    ),
    Guard(
        "a value is written over the version that was read",
        VALUES,
        "    if wanted is not None and wanted != version:\n",
        "    if False:\n",
        (f"{COUNTED}::test_given_a_version_when_the_value_has_another_by_now_then_nothing_is_written",),
    ),
    Guard(
        "no version comes twice",
        VALUES,
        "next_version(None if stored is None else stored.version, now=desk.now)",
        "1 if stored is None else stored.version + 1",
        (f"{COUNTED}::test_given_a_value_that_came_back_when_it_is_compared_with_the_one_before_then_it_differs",),
    ),
    Guard(
        "a value that ran out is gone before it is removed",
        VALUES,
        "        return self.expires_at is None or self.expires_at > now\n",
        "        return True\n",
        (f"{COUNTED}::test_given_a_value_that_ran_out_when_it_is_asked_for_then_it_is_gone_and_one_sweep_removes_all",),
    ),
    Guard(
        "keys and values are judged by the store, too",
        VALUES,
        "        require_key(self.key)\n        require_value(value)\n",
        "",
        (f"{COUNTED}::test_given_a_key_or_value_that_may_not_be_when_the_store_is_told_to_then_it_refuses",),
    ),
    Guard(
        "values of another are closed",
        KEEPING,
        "        if colon and normalize_id(which) != own:\n",
        "        if False:\n",
        (f"{ASKED}::test_given_attempts_of_two_agents_when_they_name_agent_and_task_then_each_has_its_own",),
    ),
    Guard(
        "only whole numbers are counted",
        "src/agent_swarm/domain/kv.py",
        "    if before is not None and (not isinstance(before, int) or isinstance(before, bool)):\n",
        "    if False:\n",
        (f"{COUNTED}::test_given_what_is_no_number_or_the_largest_when_it_is_counted_then_it_is_refused_and_stays",),
    ),
    Guard(
        "secrets are taken out of values",
        KEEPING,
        "        value = _text(self._redactor.value(wanted.value))\n",
        "        value = _text(wanted.value)\n",
        (f"{ASKED}::test_given_a_secret_in_a_value_when_it_is_stored_then_it_is_taken_out",),
    ),
)
