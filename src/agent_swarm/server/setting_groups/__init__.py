"""The settings of the server by subject; `server.settings` joins them."""
