"""What servers on one database tell each other.

The database is the truth; a notice only says where to look. A lost one costs at most a sweep, a doubled one a look.
Transcripts are no rows: where nodes keep them apart, a log stream brings each line to all of them.
"""

from agent_swarm.bus.base import Bus, BusFigures, Hear, Notice, NoticeKind
from agent_swarm.bus.logs import LogStream, NoLogStream, Shelf

__all__ = ["Bus", "BusFigures", "Hear", "LogStream", "NoLogStream", "Notice", "NoticeKind", "Shelf"]
