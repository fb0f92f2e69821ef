"""Every history of a small swarm, searched for one that breaks a rule.

A state is one server, two workers, a few tasks and the messages under way between them. The server's moves are those
of the memory engine, that is of `store.batch` and `domain`, the leases of a worker those of `worker.leases.LeaseBook`.
Modelled are only the network (loss, copies, any order), crashes, people, time, and what a worker does with a run.

What it leaves out: what a run does to files, usage and transcripts, `max_offline`, and the order that a real connection
keeps; a rule that holds in any order holds in that one, too.
"""
