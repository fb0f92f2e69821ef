"""The worker: claims tasks, runs agents in sandboxes, and delivers what they did. Never imports the server."""
