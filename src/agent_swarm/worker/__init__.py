"""The worker: claims tasks, runs agents in sandboxes, and brings what they did to the server. Never imports the server."""
