"""OAuth clients and what they hold, for staff."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from oauth2_provider import admin as toolkit_admin  # noqa: F401
from oauth2_provider.models import AccessToken, Application, Grant, IDToken, RefreshToken

from todoproj.admin import (
    LinkedRowFilter,
    PersonRowsAdmin,
    ShownOnceAdmin,
    ViewOnly,
    bounded_count,
    change_link,
    log_actions,
    person_link,
)
from todoproj.oauth.clients import NAME_MAX_LENGTH, is_name, is_redirect_uri
from todoproj.oauth.services import revoke_tokens
from todoproj.users import events
from todoproj.users.events import Kind

# The toolkit's own, which let staff change what clients hold. Of ID tokens there are none without OpenID Connect.
admin.site.unregister([AccessToken, Application, Grant, IDToken, RefreshToken])

GRANT_TYPES = [
    (Application.GRANT_AUTHORIZATION_CODE, "People connect it, and it acts for each of them"),
    (Application.GRANT_CLIENT_CREDENTIALS, "It acts as its owner, a service account"),
]


class ApplicationForm(forms.ModelForm):  # type: ignore[type-arg]
    """How staff describe a client; how it identifies itself can't be changed later."""

    name = forms.CharField(max_length=NAME_MAX_LENGTH, help_text="What people are asked to connect.")
    redirect_uris = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Redirect URIs",
        help_text="Where people are sent back to, separated by spaces.",
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not is_name(name):
            raise forms.ValidationError("It holds a character that can't be printed. Remove it.")
        return name

    def clean_redirect_uris(self) -> str:
        uris = self.cleaned_data["redirect_uris"].split()
        for uri in uris:
            if not is_redirect_uri(uri):
                raise forms.ValidationError(
                    "People can't be sent to %(uri)s. Use an address by https, or one on their own machine, in ASCII "
                    "and without a fragment.",
                    params={"uri": uri},
                )
        return " ".join(uris)


class NewApplicationForm(ApplicationForm):
    authorization_grant_type = forms.ChoiceField(choices=GRANT_TYPES, label="Use", widget=forms.RadioSelect)
    client_type = forms.ChoiceField(
        choices=[
            (Application.CLIENT_PUBLIC, "No: a program that people run themselves, or a web page"),
            (Application.CLIENT_CONFIDENTIAL, "Yes: a server"),
        ],
        label="Can keep a secret",
        widget=forms.RadioSelect,
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.cleaned_data.get("authorization_grant_type") == Application.GRANT_CLIENT_CREDENTIALS:
            if self.cleaned_data.get("user") is None:
                self.add_error("user", "Choose the service account that it acts as.")
            if self.cleaned_data.get("client_type") == Application.CLIENT_PUBLIC:
                self.add_error("client_type", "It acts as its owner, so it must keep a secret.")
        return cleaned


@admin.register(Application)
class ApplicationAdmin(ShownOnceAdmin[Any]):
    """A secret is shown once, when it is made."""

    # The toolkit's page for an application is not served.
    view_on_site = False
    autocomplete_fields = ("user",)
    list_display = ("__str__", "client_id", "authorization_grant_type", "client_type", "registration_source", "created")
    list_filter = ("authorization_grant_type", "registration_source", ("user", LinkedRowFilter))
    ordering = ("-id",)
    search_fields = ("client_id", "name")
    search_help_text = "A whole client id, or how a name begins."

    def search(self, term: str) -> Q:
        return Q(client_id=term) | Q(name__startswith=term)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(
            request, obj, change, form=NewApplicationForm if obj is None else ApplicationForm, **kwargs
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "authorization_grant_type", "client_type", "user", "redirect_uris")
        return ("name", "redirect_uris", *self.get_readonly_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("client_id", "user", "authorization_grant_type", "client_type", "registration_source", "created")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What a document says, the next look at the document would say again.
        is_document = obj is not None and obj.registration_source == Application.RegistrationSource.CIMD
        return not is_document and super().has_change_permission(request, obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The clients by name, and how much goes with them, which staff may not delete by itself: its client is gone.

        Django would load and print every row.
        """
        clients = list(objs)
        counts = {str(self.opts.verbose_name_plural): len(clients)}
        for relation in self.opts.related_objects:
            rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": clients})
            if count := bounded_count(rows):
                counts[str(relation.related_model._meta.verbose_name_plural)] = count
        return [change_link(client) for client in clients], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, Application.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for client in queryset:
                events.record(Kind.CLIENT_DELETED, client=client.client_id)
            super().delete_queryset(request, queryset)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            request.secret = obj.client_secret  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        # The only page that shows the secret. A message for the next one would keep it in a cookie.
        secret = request.secret if obj.client_type == Application.CLIENT_CONFIDENTIAL else ""  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": "Copy it now" if secret else "The client was added",
            "opts": self.opts,
            "application": obj,
            "secret": secret,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/oauth2_provider/application/added.html", context)


class HeldAdmin(ViewOnly, PersonRowsAdmin[Any]):
    """What clients hold: made by them, looked at and revoked by staff. The token itself is not there to be shown."""

    list_select_related = ("user", "application")
    ordering = ("-id",)
    list_filter = (("user", LinkedRowFilter), ("application", LinkedRowFilter))

    @admin.display(description="person")
    def person(self, row: Any) -> SafeString:
        # A client that acts as its owner holds tokens of nobody else.
        owner = row.user or (row.application and row.application.user)
        return person_link(owner)

    @admin.display(description="application")
    def client(self, row: Any) -> SafeString:
        return change_link(row.application) if row.application else SafeString("-")


class TokenAdmin(HeldAdmin):
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"oauth2_provider.change_{self.opts.model_name}")

    @admin.action(permissions=["revoke"], description="Revoke what was selected")
    def revoke(self, request: HttpRequest, tokens: QuerySet[Any]) -> None:
        # An access token that is revoked is gone.
        chosen = [token for token in tokens if getattr(token, "revoked", None) is None]
        log_actions(request, chosen, CHANGE, "Revoked.")
        revoke_tokens(tokens=chosen)
        self.message_user(request, f"{len(chosen)} revoked. Each is refused from now on.", messages.SUCCESS)


@admin.register(AccessToken)
class AccessTokenAdmin(TokenAdmin):
    list_select_related = ("user", "application__user")
    list_display = ("__str__", "person", "client", "scope", "created", "expires")
    fields = ("person", "client", "scope", "resource", "created", "expires")


@admin.register(RefreshToken)
class RefreshTokenAdmin(TokenAdmin):
    list_select_related = ("user", "application__user")
    list_display = ("__str__", "person", "client", "created", "revoked")
    fields = ("person", "client", "resource", "created", "revoked")


@admin.register(Grant)
class GrantAdmin(HeldAdmin):
    """Authorization codes that no client has redeemed yet."""

    list_display = ("__str__", "person", "client", "scope", "created", "expires")
    fields = ("person", "client", "scope", "redirect_uri", "resource", "created", "expires")
