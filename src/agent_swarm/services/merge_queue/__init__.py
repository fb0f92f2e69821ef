"""Merge queues: results of tasks are checked together, and land on the branch of their project."""
