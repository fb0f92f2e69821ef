"""Takes secrets out of everything that is stored, shown or sent on. Worker and server use the same.

Two nets: values that this process knows to be secret, in every form in which they usually appear (`forms`, `known`),
and tokens whose issuers gave them a shape (`shapes`). `Redactor` is what others use; `register` tells it more values;
`Stream` is for texts that arrive in pieces. What an agent changes in a way of its own, by encryption or letter by
letter, goes through: this is a net against accidents, not a wall against intent (docs/threat-model.md).
"""

from agent_swarm.redaction.forms import SHORTEST
from agent_swarm.redaction.naming import secrets_in
from agent_swarm.redaction.redactor import Redactor
from agent_swarm.redaction.stream import LIKELY, MARK, Stream

__all__ = ["LIKELY", "MARK", "SHORTEST", "Redactor", "Stream", "secrets_in"]
