from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "todoproj.users"
    label = "users"
    verbose_name = "People"

    def ready(self) -> None:
        # drf-spectacular knows the classes that were imported.
        from todoproj.users import schema  # noqa: F401
