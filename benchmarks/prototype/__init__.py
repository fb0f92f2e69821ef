"""The bare loop: the least a server can do between a task's POST and its end, as the floor to compare ours with.

uvicorn, Starlette and sqlite3; set-based micro-batches, one commit each, durable (`synchronous=FULL`); one WebSocket
per worker with credits. It speaks so much of our protocol that the same load drives both. It has no authentication,
validation, events, requirement classes, attempts, tokens, leases that end, or retries.
"""
