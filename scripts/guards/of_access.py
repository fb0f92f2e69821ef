"""The guards of who may do what, beside those of the table: addresses, lifting, flags, names, checkpoints."""

from scripts.guards.guard import Guard

PEERS, FLAGS = "src/agent_swarm/server/peers.py", "src/agent_swarm/server/killing/watch.py"
SWITCH, NAMES = "src/agent_swarm/services/kill_switch.py", "src/agent_swarm/domain/configuration.py"
CHECKING = "src/agent_swarm/audit/checking.py"

GUARDS = (
    Guard(
        "who may stop everything may not lift that",
        SWITCH,
        "    if not by.may(Scope.KILL_SWITCH_ADMIN):\n",
        "    if False:\n",
        (
            "tests/server/test_kill_switch.py::test_given_people_with_roles_when_they_use_the_switch_then_operators_stop_and_admins_alone_lift",
        ),
    ),
    Guard(
        "a flag that cannot be seen says nothing",
        FLAGS,
        "        if not isinstance(found, Unknown) and found != self._done:\n",
        "        if found != self._done:\n",
        (
            "tests/server/killing/test_flags.py::test_given_a_store_in_trouble_when_it_is_asked_then_it_neither_stops_nor_lifts",
        ),
    ),
    Guard(
        "an address is believed from a trusted proxy alone",
        PEERS,
        "        while hops and self._is_trusted(nearest):\n",
        "        while hops:\n",
        (
            "tests/server/test_peers.py::test_given_a_trusted_proxy_when_it_names_a_client_then_the_last_untrusted_address_counts",
        ),
    ),
    Guard(
        "reserved names are refused in any case of their letters",
        NAMES,
        "    if key.upper() in RESERVED:\n",
        "    if key in RESERVED:\n",
        (
            "tests/server/test_config.py::test_given_a_reserved_name_when_it_is_put_then_it_is_refused_and_nothing_is_stored",
        ),
    ),
    Guard(
        "a file of checkpoints that was cut is found",
        CHECKING,
        "        if missing and (self.evidence.lag is not None and missing > self.evidence.lag):\n",
        "        if False:\n",
        (
            "tests/audit/test_tampering.py::test_given_the_file_of_checkpoints_when_lines_are_gone_then_the_check_finds_it",
        ),
    ),
)
