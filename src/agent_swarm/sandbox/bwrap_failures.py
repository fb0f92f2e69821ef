"""Why bubblewrap does not work on a host, by what it says. Pure: fed in tests with what hosts have said."""

from dataclasses import dataclass

INSTALL = "install the package bubblewrap (apt install bubblewrap, dnf install bubblewrap)"
_CONTAINER = "inside a container it needs one that may make namespaces and mounts; runs are plain processes until then"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, and what helps."""

    detail: str
    remedy: str


_KNOWN = (
    # Ubuntu from 23.10 on lets only programs with an AppArmor profile use what a user namespace would allow.
    (
        ("setting up uid map: Permission denied", "loopback: Failed RTM_NEWADDR"),
        "AppArmor restricts user namespaces",
        "give bwrap an AppArmor profile that allows userns, or set kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        ("No permissions to creat", "kernel does not allow non-privileged user namespaces"),
        "the kernel does not let this user make namespaces",
        "set kernel.unprivileged_userns_clone=1 (Debian) or user.max_user_namespaces above 0; " + _CONTAINER,
    ),
    (
        ("Creating new namespace failed", "unshare failed"),
        "namespaces cannot be made here",
        "set user.max_user_namespaces above 0; " + _CONTAINER,
    ),
    (
        ("Can't mount proc", "Failed to mount", "Can't mount", "Failed to make / slave", "pivot_root"),
        "mounts cannot be made here",
        _CONTAINER,
    ),
    (("Unknown option", "unknown option"), "this bubblewrap is too old", INSTALL + ", version 0.5 or newer"),
)


def diagnose(said: str) -> Diagnosis:
    """The reason behind what bubblewrap, or the trial run, wrote."""
    last = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
    for signs, reason, remedy in _KNOWN:
        if any(sign in said for sign in signs):
            return Diagnosis(f"{reason} ({last})", remedy)
    return Diagnosis(f"a trial run failed: {last}", "run agent-swarm doctor as the worker's user; " + _CONTAINER)
