"""What agent CLIs have in common whose process is kept for a whole conversation, and that talk in lines of JSON.

`session` follows such a conversation: turns, messages, interrupts, eviction. `conversation` feeds and reads its
process, `heard` is what a line of it says, `home` where its files are, `opening` what it is told first,
`outcomes` how it may end whichever CLI it is, `program` what a host has of a CLI. A harness adds what its CLI's lines
mean.
"""
