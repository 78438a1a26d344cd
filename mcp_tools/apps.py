from django.apps import AppConfig


class McpToolsConfig(AppConfig):
    name = "mcp_tools"
    verbose_name = "MCP tools"

    def ready(self) -> None:
        # Django knows the receivers of signals that were imported, and users the sources of personal data.
        from mcp_tools import erasure, personal_data  # noqa: F401
