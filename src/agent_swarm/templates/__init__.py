"""Templates of agents: what an agent is and is told when it starts for the first time.

A template is a folder with a `template.toml` and the texts that it names. Those of the package are in `official/`.
Nothing here knows of servers or workers.
"""
