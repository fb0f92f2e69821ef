"""The tools, one module per subject. Each has `tools(context)`, its part of the catalogue, in the order of the list."""

from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Catalogue
from agent_swarm.server.mcp.tools import (
    acting,
    agents,
    asking,
    configuration,
    filing,
    keeping,
    looking,
    own_profile,
    remembering,
    reporting,
    scheduling,
    swarm,
    talking,
)

SUBJECTS = (
    swarm,
    own_profile,
    looking,
    filing,
    scheduling,
    acting,
    agents,
    talking,
    reporting,
    asking,
    remembering,
    keeping,
    configuration,
)


def all_tools(context: Context) -> Catalogue:
    """Every tool there is."""
    return Catalogue(tool for subject in SUBJECTS for tool in subject.tools(context))
