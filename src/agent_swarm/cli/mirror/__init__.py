"""The tasks of a native team of Claude Code, shown on the board of a swarm.

`native` reads them, `kept` remembers what was told, `board` tells it, `command` is `agent-swarm swarm mirror`.
"""
