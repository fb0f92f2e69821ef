"""Faults on purpose: processes that die at named points, stand still, or lose messages on the way to each other.

`nursery` starts servers and workers in milliseconds, `pace` makes them live faster, `crash` has them die at a point of
`agent_swarm.faults`, `proxy` loses, doubles and delays what they say, `schedule` makes all of it up from a seed,
`carrying_out` does it, and `reckoning` says what was lost or doubled.
"""
