"""What notes mean, as vectors of an embedding model: off unless a server is told where one is."""
