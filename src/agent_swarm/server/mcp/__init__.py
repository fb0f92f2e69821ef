"""The face for agents: tools over the services, spoken by the Model Context Protocol at `/mcp`.

Everything but `speech` works without the SDK, which costs a second and 20 MB to import: it is loaded when the first
client comes, long after the server answers.
"""
