"""The way out of a guest that may reach listed hosts alone: it has no network, and a proxy on the host decides."""
