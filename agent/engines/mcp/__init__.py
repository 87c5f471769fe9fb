"""Tools of MCP servers. The `mcp` package is imported by `server.py` alone, when there is one."""
