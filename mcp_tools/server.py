"""The MCP server that every transport serves."""

from mcp_tools.completion import complete
from mcp_tools.mcp import INSTRUCTIONS, TodoTools
from mcp_tools.prompts import PROMPTS
from mcp_tools.protocol import Server
from mcp_tools.registry import tools_of
from mcp_tools.resources import RESOURCES
from todoproj import __version__

SERVER = Server(
    name="todoproj",
    title="Todo list",
    version=__version__,
    instructions=INSTRUCTIONS,
    tools=tools_of(TodoTools),
    resources=RESOURCES,
    prompts=PROMPTS,
    complete=complete,
)
