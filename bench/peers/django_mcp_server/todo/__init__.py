"""The app that holds the toolset: django-mcp-server finds it by the module's name, mcp."""
