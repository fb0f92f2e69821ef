"""What servers on one database tell each other.

The database is the truth; a notice only says where to look. A lost one costs at most a sweep, a doubled one a look.
"""

from agent_swarm.bus.base import Bus, Hear, Notice, NoticeKind

__all__ = ["Bus", "Hear", "Notice", "NoticeKind"]
