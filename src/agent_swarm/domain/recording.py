"""How a task asks to be recorded."""

from typing import Final

TAG: Final = "record"  # among the tags of a task; its worker keeps what agent and model say to each other
