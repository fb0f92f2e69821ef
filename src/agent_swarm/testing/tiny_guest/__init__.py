"""A guest of a few megabytes that boots in seconds without hardware to help: for tests and measurements of VMs."""
