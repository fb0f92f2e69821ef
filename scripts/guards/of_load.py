"""The guards of what has to stay bounded: the queue of the store, streams, and what a database is asked."""

from scripts.guards.guard import Guard

BATCHER, POSTGRES = "src/agent_swarm/store/batcher.py", "src/agent_swarm/store/sql/postgres.py"
RING, STREAM = "src/agent_swarm/server/ring.py", "src/agent_swarm/server/stream.py"

BUSY, SERVERS = "tests/server/test_busy.py", "tests/store/test_postgres_servers.py"
RINGS, EVENTS = "tests/server/test_ring.py", "tests/server/test_events.py"

GUARDS = (
    Guard(
        "a full queue takes no more",
        BATCHER,
        "        if len(self._queue) >= self._queue_limit and not operation.is_urgent:\n",
        "        if False:\n",
        (f"{BUSY}::test_given_a_full_queue_when_more_is_asked_then_it_is_refused_at_once_and_nothing_is_lost",),
    ),
    Guard(
        "a full queue takes a stop",
        BATCHER,
        "        if len(self._queue) >= self._queue_limit and not operation.is_urgent:\n",
        "        if len(self._queue) >= self._queue_limit:\n",
        (
            f"{BUSY}::test_given_a_full_queue_when_everything_is_to_stop_then_that_is_taken_and_goes_before_all_that_waits",
        ),
    ),
    Guard(
        "a stop goes before all that waits",
        BATCHER,
        "        put = self._queue.appendleft if operation.is_urgent else self._queue.append\n",
        "        put = self._queue.append\n",
        (
            f"{BUSY}::test_given_a_full_queue_when_everything_is_to_stop_then_that_is_taken_and_goes_before_all_that_waits",
        ),
    ),
    Guard(
        "a stream that fell behind begins anew",
        STREAM,
        "            elif ring.head - cursor > EVENT_REPLAY:\n",
        "            elif False:\n",
        (f"{EVENTS}::test_given_a_client_that_was_away_too_long_when_it_comes_back_then_it_has_to_read_anew",),
    ),
    Guard(
        "the ring holds so many events",
        RING,
        "        while len(self._events) > self._capacity or (",
        "        while (",
        (f"{RINGS}::test_given_too_many_events_when_the_ring_is_full_then_the_oldest_go",),
    ),
    Guard(
        "a stream is sent so much at once",
        RING,
        "                if size and size + len(event.content) > CHUNK_BYTES:\n",
        "                if False:\n",
        (f"{RINGS}::test_given_a_large_backlog_when_it_is_read_then_it_comes_in_bounded_pieces",),
    ),
    Guard(
        "no statement lasts for ever",
        POSTGRES,
        "    connection.execute(f\"SET statement_timeout = '{STATEMENT_SECONDS}s'\")\n",
        "",
        (
            f"{SERVERS}::test_given_the_connections_of_a_server_then_no_statement_and_no_idle_transaction_lasts_for_ever",
        ),
        is_slow=True,
    ),
    Guard(
        "no transaction stands still for ever",
        POSTGRES,
        "    connection.execute(f\"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'\")\n",
        "",
        (
            f"{SERVERS}::test_given_the_connections_of_a_server_then_no_statement_and_no_idle_transaction_lasts_for_ever",
        ),
        is_slow=True,
    ),
)
