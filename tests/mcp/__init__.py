"""MCP: servers that the configuration names, and the badge as a server."""
