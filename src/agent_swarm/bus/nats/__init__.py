"""NATS JetStream between nodes: notices and transcripts, for nodes on several networks.

The client library is imported where a connection is made, in `link`; settings are read without it.
"""
