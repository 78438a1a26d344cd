from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        # users knows the sources of personal data that were imported.
        from tasks import personal_data  # noqa: F401
