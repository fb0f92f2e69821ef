"""Secrets that stay where an operator keeps them: a stored value names the place, and is looked up when it is needed.

One file per kind of place, behind the one interface in `base`. `references` says what a stored value may look like,
`reading` fetches what one names, `resolver` does it for a server without waiting for it twice.
"""
