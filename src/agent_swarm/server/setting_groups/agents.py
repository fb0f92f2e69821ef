"""What agents may do and file."""

from dataclasses import dataclass
from pathlib import Path

from agent_swarm import config
from agent_swarm.config import setting
from agent_swarm.domain.agent_tree import CHILDREN_SETTING, DEPTH_SETTING, AgentCaps
from agent_swarm.domain.approvals import EXPIRY_SECONDS, MAX_EXPIRY_SECONDS
from agent_swarm.domain.budgets import DOLLAR, EXPECTED, Amount, RootCaps, micros_of
from agent_swarm.domain.caps import Cap, Caps
from agent_swarm.domain.messages import HOPS
from agent_swarm.server.setting_groups.texts import amount, approval_seconds, cap, count


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class AgentSettings:
    """What agents may do and file."""

    approval_seconds: float = setting(
        float(EXPIRY_SECONDS),
        env="AGENT_SWARM_APPROVAL_SECONDS",
        help="how long a question of an agent waits for people, where it does not say so; then it counts as denied",
        parse=approval_seconds,
        expected=f"a number of seconds from 1 to {MAX_EXPIRY_SECONDS}",
    )
    max_depth: int = setting(
        Caps().depth,
        env=Cap.DEPTH.setting,
        help="how many levels below a root task agents may file tasks",
        parse=count,
        expected="a whole number",
    )
    max_children: int = setting(
        Caps().children,
        env=Cap.CHILDREN.setting,
        help="how many tasks agents may file directly below one task",
        parse=count,
        expected="a whole number",
    )
    max_tasks_per_root: int = setting(
        Caps().tasks_per_root,
        env=Cap.TASKS_PER_ROOT.setting,
        help="how many tasks agents may file below one root task, however deep",
        parse=count,
        expected="a whole number",
    )
    max_open_per_agent: int = setting(
        Caps().open_per_agent,
        env=Cap.OPEN_PER_AGENT.setting,
        help="how many tasks one agent may have filed that have not ended",
        parse=count,
        expected="a whole number",
    )
    attempt_usd: float = setting(
        EXPECTED.micros / DOLLAR,
        env="AGENT_SWARM_ATTEMPT_USD",
        help="what one attempt is expected to cost, where its budgets do not say so; as much is reserved in each",
        parse=amount(float),
        expected="a number of US dollars above 0",
    )
    attempt_tokens: int = setting(
        EXPECTED.tokens,
        env="AGENT_SWARM_ATTEMPT_TOKENS",
        help="the same in tokens",
        parse=amount(int),
        expected="a whole number above 0",
    )
    root_usd: float | None = setting(
        None,
        env="AGENT_SWARM_ROOT_USD",
        help="what a root task that is filed without a budget may cost, with all below it; default: no cap",
        parse=amount(float),
        expected="a number of US dollars above 0",
    )
    root_tokens: int | None = setting(
        None,
        env="AGENT_SWARM_ROOT_TOKENS",
        help="the same in tokens",
        parse=amount(int),
        expected="a whole number above 0",
    )
    root_attempts: int | None = setting(
        None,
        env="AGENT_SWARM_ROOT_ATTEMPTS",
        help="how many attempts may begin at these together; default: no cap",
        parse=cap,
        expected="a whole number above 0",
    )
    root_at_once: int | None = setting(
        None,
        env="AGENT_SWARM_ROOT_AT_ONCE",
        help="how many attempts at these may be under way at a time; default: no cap",
        parse=cap,
        expected="a whole number above 0",
    )
    max_agent_depth: int = setting(
        AgentCaps().depth,
        env=DEPTH_SETTING,
        help="how many levels below an agent that nobody introduced agents may introduce agents",
        parse=count,
        expected="a whole number",
    )
    max_agent_children: int = setting(
        AgentCaps().children,
        env=CHILDREN_SETTING,
        help="how many agents one agent may introduce",
        parse=count,
        expected="a whole number",
    )
    message_hops: int = setting(
        HOPS,
        env="AGENT_SWARM_MESSAGE_HOPS",
        help="how often agents that were woken by a message may wake others in turn; later messages wake nobody",
        parse=count,
        expected="a whole number",
    )
    worker_permissions: str = setting(
        "",
        env="AGENT_SWARM_WORKER_PERMISSIONS",
        help="permission profile of workers' attempts where neither task nor agent names one; "
        "default: workspace-write, as far as their workers can enforce it",
        expected="the name of a permission profile",
    )
    lead_permissions: str = setting(
        "",
        env="AGENT_SWARM_LEAD_PERMISSIONS",
        help="the same for leads' attempts",
        expected="the name of a permission profile",
    )
    profiles_file: Path | None = setting(
        None,
        env="AGENT_SWARM_PROFILES",
        help="a TOML file of further permission profiles",
        parse=config.path,
        expected="a path",
    )

    @property
    def estimate(self) -> Amount:
        """What an attempt is expected to cost."""
        return Amount(round(self.attempt_usd * DOLLAR), self.attempt_tokens)

    @property
    def root_caps(self) -> RootCaps:
        """What a root task without a budget of its own may use."""
        return RootCaps(
            micros=micros_of(self.root_usd),
            tokens=self.root_tokens,
            attempts=self.root_attempts,
            at_once=self.root_at_once,
        )

    @property
    def agent_caps(self) -> AgentCaps:
        """How many agents agents may introduce."""
        return AgentCaps(depth=self.max_agent_depth, children=self.max_agent_children)

    @property
    def caps(self) -> Caps:
        """How much agents may file."""
        return Caps(
            depth=self.max_depth,
            children=self.max_children,
            tasks_per_root=self.max_tasks_per_root,
            open_per_agent=self.max_open_per_agent,
        )
