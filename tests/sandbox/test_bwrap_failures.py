"""Why bubblewrap does not work, by what it said on hosts where it did not."""

import pytest

from agent_swarm.sandbox.bwrap_failures import diagnose

SAID = [
    ("bwrap: setting up uid map: Permission denied", "AppArmor", "apparmor_restrict_unprivileged_userns"),
    ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "AppArmor", "AppArmor profile"),
    (
        "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user "
        "namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'.",
        "does not let this user",
        "unprivileged_userns_clone",
    ),
    ("bwrap: Creating new namespace failed: No space left on device", "namespaces", "max_user_namespaces"),
    ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "mounts", "container"),
    ("bwrap: Unknown option --as-pid-1", "too old", "0.5"),
    ("", "said nothing", "doctor"),
    ("\nthe trial ended with exit code 3", "exit code 3", "doctor"),
]


@pytest.mark.parametrize(("said", "detail", "remedy"), SAID)
def test_given_what_bubblewrap_said_when_it_is_judged_then_the_reason_and_a_remedy_are_named(
    said: str, detail: str, remedy: str
) -> None:
    found = diagnose(f"the supervisor died before it started 'sh': {said}" if said.startswith("bwrap") else said)
    assert detail in found.detail
    assert remedy in found.remedy
