"""The Swarm plugin: folders of JSON files."""
