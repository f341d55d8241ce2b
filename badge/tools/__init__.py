"""The server's own tools: those that are shipped, plugins, and the counter at which sessions call them."""
