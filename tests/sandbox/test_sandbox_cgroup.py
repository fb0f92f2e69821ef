"""Finding the cgroup2 directory to work in, from what different hosts show."""

from pathlib import Path

import pytest

from agent_swarm.sandbox.cgroup import Leaf, home_from

V1 = "34 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"
PURE = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
CONTAINER = "40 31 0:38 /docker/abc /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw"


@pytest.mark.parametrize(
    ("mounts", "membership", "home"),
    [
        ([PURE], "0::/user.slice/user-1000.slice/app.scope", "/sys/fs/cgroup/user.slice/user-1000.slice/app.scope"),
        ([V1, HYBRID], "4:memory:/x\n0::/", "/sys/fs/cgroup/unified"),
        ([CONTAINER], "0::/docker/abc", "/sys/fs/cgroup"),
        ([CONTAINER], "0::/docker/abc/worker", "/sys/fs/cgroup/worker"),
        ([CONTAINER], "0::/docker/other", None),
        ([PURE], "0::/../outside", None),
        ([V1], "4:memory:/x", None),
        ([V1], "0::/", None),
        ([], "", None),
    ],
    ids=["pure", "hybrid", "container", "below", "beside", "outside", "v1-only", "not-mounted", "nothing"],
)
def test_given_the_mounts_of_a_host_when_our_group_is_looked_for_then_it_is_found_where_it_is_shown_or_not_at_all(
    mounts: list[str], membership: str, home: str | None
) -> None:
    found = home_from(mounts="\n".join(mounts), membership=membership)
    assert found == (Path(home) if home else None)


def test_given_a_group_that_is_gone_when_it_is_killed_and_removed_then_nothing_happens(tmp_path: Path) -> None:
    leaf = Leaf(tmp_path / "gone")
    leaf.kill()
    assert leaf.members() == set()
    assert leaf.remove()
