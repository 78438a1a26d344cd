from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "todoproj.users"
    label = "users"
    verbose_name = "People"

    def ready(self) -> None:
        # For what their import does: it tells drf-spectacular of classes, and Django of receivers of signals.
        from todoproj.users import erasure, events, schema  # noqa: F401
        from todoproj.users.issuers import check_settings

        # A server that would trust nobody, or the wrong ones, must not start.
        check_settings()
