"""An MCP server for tests: `python mcp_tools.py` over stdio, `… PORT` over HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ImageContent, TextContent

server = MCPServer("tests", log_level="CRITICAL")


@server.tool()
async def weather(city: str, context: Context, days: int = 1) -> str:  # type: ignore[type-arg]
    """The weather of a city."""
    await context.report_progress(1, 2)
    return f"{city}: 21 degrees, {days} day"


@server.tool()
def several() -> list[TextContent | ImageContent]:
    """Texts with a picture between."""
    picture = ImageContent(type="image", data="AAAA", mime_type="image/png")
    return [TextContent(type="text", text="one"), picture, TextContent(type="text", text="two")]


@server.tool()
async def slow(mark: str) -> str:
    """Takes half a minute, and writes down whether it was cancelled."""
    Path(mark).write_text("begun")
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        Path(mark).write_text("cancelled")
        raise
    return "done"


@server.tool()
def broken() -> str:
    """Fails."""
    raise ValueError("out of order")


@server.tool(name="quit.now")
def quit_now() -> str:
    """Ends the server's process half-way."""
    os._exit(1)


@server.tool()
def process() -> int:
    """The server's process."""
    return os.getpid()


@server.tool()
def secret() -> str:
    """The variable that it was given."""
    return os.environ.get("TOKEN", "none")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
