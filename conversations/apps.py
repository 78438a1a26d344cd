from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        # Django knows the receivers of signals that were imported; users, the traces of people and the sources of
        # personal data.
        from conversations import accesses, personal_data  # noqa: F401
