"""Encryption at rest: the master key, the data keys it wraps, and values sealed with those.

    master key ──wraps──► data keys ──seal──► values

Secrets that stay where an operator keeps them are another matter: `backends/`.

`keys` reads master keys as people write them, `keyfile` keeps them on the disk, `finding` knows where one comes from.
`datakeys` wraps what `sealing` seals with. Nothing here knows a database, a server or a setting.
"""
