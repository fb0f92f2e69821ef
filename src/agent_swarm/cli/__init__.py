"""`agent-swarm` on the command line: one file per command group, imported only when its command runs.

What the everyday commands import is bounded (`--help` ≤ 120 ms of CPU, `task add` ≤ 200 ms): they talk
plain JSON over `http.client`, and rich is imported only to draw on a terminal.
"""
