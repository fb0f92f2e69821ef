"""Settings of workflows: who may have scripts run by the server itself, and where these run."""

from dataclasses import dataclass

from agent_swarm.config import setting
from agent_swarm.server.setting_groups.texts import above_zero, one_of

SHELL = ("admin", "operator", "off")
SANDBOXES = ("bubblewrap", "process")
NETWORKS = ("off", "on")


@dataclass(frozen=True, kw_only=True)
class WorkflowSettings:
    """How stages of kind shell run."""

    workflow_shell: str = setting(
        "admin",
        env="AGENT_SWARM_WORKFLOW_SHELL",
        help="who may start workflows with scripts that run on the server's machine; off: nobody",
        parse=one_of(SHELL),
        expected=f"one of {', '.join(SHELL)}",
    )
    workflow_sandbox: str = setting(
        "bubblewrap",
        env="AGENT_SWARM_WORKFLOW_SANDBOX",
        help="where these scripts run; process isolates nothing: they see what the server's user sees",
        parse=one_of(SANDBOXES),
        expected=" or ".join(SANDBOXES),
    )
    workflow_network: str = setting(
        "off",
        env="AGENT_SWARM_WORKFLOW_NETWORK",
        help="the network of these scripts; plain processes have that of the host in any case",
        parse=one_of(NETWORKS),
        expected=" or ".join(NETWORKS),
    )
    workflow_slots: int = setting(
        4,
        env="AGENT_SWARM_WORKFLOW_SLOTS",
        help="how many parts of workflows this server carries out at once",
        parse=above_zero(int),
        expected="a whole number from 1",
    )
