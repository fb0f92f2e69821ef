"""The runner: the server itself takes parts of workflows, as an agent of its own, by the same claims and leases.

`service` claims, renews and gives back; `parts` carries out one part; `scripts` runs what a stage of kind shell says;
`builtins` does what needs no script.
"""
