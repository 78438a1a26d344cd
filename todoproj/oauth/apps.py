from django.apps import AppConfig


class OAuthConfig(AppConfig):
    name = "todoproj.oauth"
    label = "oauth"
    verbose_name = "Connected apps"

    def ready(self) -> None:
        # Django knows the receivers of signals that were imported, and users the sources of personal data.
        from todoproj.oauth import personal_data, services  # noqa: F401
