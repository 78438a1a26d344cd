"""A backend for todo lists that AI agents keep for people."""

__version__ = "0.1.0"
