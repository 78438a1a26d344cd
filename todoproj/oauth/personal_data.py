"""The apps that can act for a person, among their data."""

from todoproj.oauth.services import connected_apps
from todoproj.users.models import User
from todoproj.users.personal_data import Lines, source


@source
def _connected_apps(user: User) -> Lines:
    for app in connected_apps(user=user):
        about = {"name": app.application.name, "client_id": app.application.client_id, "hosts": app.hosts}
        times = {"created_at": app.since, "last_token_at": app.last_token}
        yield {"kind": "connected_app", **about, "scopes": app.scopes, **times}
