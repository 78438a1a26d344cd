from django.apps import AppConfig


class McpToolsConfig(AppConfig):
    name = "mcp_tools"
    verbose_name = "MCP tools"

    def ready(self) -> None:
        # Users know the traces of people, and the sources of personal data, that were imported.
        from mcp_tools import erasure, personal_data  # noqa: F401
