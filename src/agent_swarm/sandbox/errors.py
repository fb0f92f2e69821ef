"""What can go wrong with a sandbox.

SwarmError
└── SandboxError               the place of a run failed; never the agent's work
    ├── StartFailed            the command could not be started
    ├── CannotEnforce          the run asks for isolation that the provider does not have
    └── SurvivingProcesses     processes outlived SIGKILL
"""

from agent_swarm.domain.errors import SwarmError


class SandboxError(SwarmError):
    """The place of a run failed. The agent is not to blame."""

    code = "sandboxFailed"


class StartFailed(SandboxError):
    """The command could not be started: no such program, no such directory, or no process to be had."""

    code = "startFailed"


class CannotEnforce(SandboxError):
    """The run asks for isolation that this kind of sandbox does not have on this host."""

    code = "cannotEnforce"


class SurvivingProcesses(SandboxError):
    """Processes of a run are still there although they were sent SIGKILL."""

    code = "survivingProcesses"
