from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        # Django knows the receivers of signals that were imported, and users the sources of personal data.
        from conversations import accesses, personal_data  # noqa: F401
