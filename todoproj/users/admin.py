"""People and their personal tokens, for staff."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from todoproj.admin import (
    LargeTableAdmin,
    LinkedRowFilter,
    PersonRowsAdmin,
    ServiceWritesAdmin,
    ShownOnceAdmin,
    StrictAdmin,
    ViewOnly,
    WithinFilter,
    bounded_count,
    change_link,
    is_person,
    log_actions,
    may_see,
    person_link,
)
from todoproj.text import is_storable
from todoproj.users.erasure import belonging, erase_person
from todoproj.users.models import PersonalToken, Scope, SecurityEvent, User, new_user_id
from todoproj.users.services import issue_token, revoke_tokens, scopes_for_others

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(StrictAdmin[Group], DjangoGroupAdmin): ...


class UserAddForm(AdminUserCreationForm):  # type: ignore[type-arg]  # Django's own takes none at run time
    id = forms.CharField(
        required=False,
        max_length=255,
        help_text="From the system that the person comes from. Empty: a random one. It can't be changed later.",
    )

    def clean_id(self) -> str:
        id: str = self.cleaned_data["id"] or new_user_id()
        if id in {".", ".."}:
            raise forms.ValidationError("In an address, this would not be a name. Choose another id.")
        return id


class UserEditForm(UserChangeForm):  # type: ignore[type-arg]  # as above
    """Brings back what the page showed, so that what somebody else has changed since is not taken for a change here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # The password's hash is not for forms, which can't change it: that field is disabled.
            field.show_hidden_initial = not field.disabled


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # as above
    def save(self, commit: bool = True) -> User:
        """The person, with the new password or with none. Called in a transaction; raises User.DoesNotExist."""
        # Locked before the time is taken from which tokens are good.
        _lock(self.user)
        user: User = super().save(commit=False)
        if commit:
            user.save(update_fields=["password", "tokens_valid_from"])
        return user


@admin.register(User)
class UserAdmin(LargeTableAdmin[User], DjangoUserAdmin):  # type: ignore[type-arg]
    form = UserEditForm
    add_form = UserAddForm
    change_password_form = PasswordForm
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("id", "username", "email", "usable_password", "password1", "password2"),
            },
        ),
    )
    fieldsets = (
        (None, {"fields": ("id", "username", "password", "belongings")}),
        ("Personal info", {"fields": ("first_name", "last_name", "email")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Important dates", {"fields": ("last_login", "date_joined")}),
    )
    list_display = ("username", "email", "is_active", "is_staff", "last_login", "whole_id")
    list_filter = ("is_active", "is_staff")
    ordering = ("username",)
    search_fields = ("id", "username", "email")
    search_help_text = "A whole id or email address, or how a username begins."
    actions = ("issue_personal_tokens", "delete_selected")

    def search(self, term: str) -> Q:
        return is_person(term) | Q(username__startswith=term)

    @admin.display(description="id")
    def whole_id(self, person: User) -> SafeString:
        # A UUID would else break into four lines, and the list be four times as long.
        return format_html('<span style="white-space: nowrap">{}</span>', person.pk)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        return super().get_object(request, object_id, from_field) if is_storable(object_id) else None

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return () if obj is None else ("id", "belongings", "last_login", "date_joined")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except User.DoesNotExist:
            return self._say_gone(request, object_id)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        try:
            # The new password and what the history says of it are there together.
            with transaction.atomic():
                return super().user_change_password(request, id, form_url)
        except User.DoesNotExist:
            return self._say_gone(request, id)

    def _say_gone(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For somebody who was erased while they were changed."""
        return self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined, no-any-return]
            request, self.opts, object_id
        )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Raises User.DoesNotExist for somebody who is gone, rather than to make them anew."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Only what the form changed: others may have cut the person off since it was opened.
        _lock(obj)
        obj.save(update_fields={field.name for field in self.opts.concrete_fields} & set(form.changed_data))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:
            # As in save_model.
            for name in form.cleaned_data.keys() - set(form.changed_data):
                del form.cleaned_data[name]
        super().save_related(request, form, formsets, change)

    @admin.display(description="what is theirs")
    def belongings(self, person: User) -> SafeString:
        """Links to the lists of what belongs to the person."""
        links = [
            (LinkedRowFilter.url(model, field, person.pk), model._meta.verbose_name_plural)
            for model, field in self._belonging()
            if self.admin_site.is_registered(model) and may_see(model)
        ]
        return format_html_join(", ", '<a href="{}">{}</a>', links)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever may see people and erase them may; only a superuser erases a superuser, and nobody themselves."""
        if obj is not None and (obj == request.user or (obj.is_superuser and not request.user.is_superuser)):
            return False
        return self.has_view_permission(request) and request.user.has_perm("users.erase_person")

    @admin.action(permissions=["delete"], description="Erase selected people")
    def delete_selected(self, request: HttpRequest, people: QuerySet[User]) -> HttpResponse | None:
        for person in people:
            if not self.has_delete_permission(request, person):
                self.message_user(request, f"You can't erase {person}. Nobody was erased.", messages.ERROR)
                return None
        return delete_selected(self, request, people)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Not in one transaction, as Django has it: where there is much, it goes in several.
        return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined, no-any-return]

    def log_deletions(self, request: HttpRequest, queryset: Iterable[User]) -> None:  # type: ignore[override]
        # No id and no name: where two erase the same person at once, the second writes this when the first has taken
        # away already what names them.
        log_actions(request, queryset, DELETION, numbered=False)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        # If somebody else was faster, they are as gone as was wanted.
        with suppress(User.DoesNotExist):
            erase_person(user=obj, actor=request.user, means="in the admin")  # type: ignore[arg-type]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for person in queryset:
            self.delete_model(request, person)

    def get_deleted_objects(
        self, objs: Sequence[User] | QuerySet[User], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The people by name, and how much goes with them.

        Django would load and print every row. Whoever may erase a person may erase what is theirs: there is nobody
        left whom it could belong to.
        """
        people = list(objs)
        counts = {str(self.opts.verbose_name_plural): len(people)}
        for model, field in belonging():
            rows = model._base_manager.filter(**{f"{field}__in": [person.pk for person in people]})
            if count := bounded_count(rows):
                counts[str(model._meta.verbose_name_plural)] = count
        return [change_link(person) for person in people], counts, set(), []

    def _belonging(self) -> list[tuple[type[Model], str]]:
        """The models whose rows each belong to a person, and the field that says to whom."""
        return [(relation.related_model, relation.field.name) for relation in self.opts.related_objects]

    def has_issue_token_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("users.add_personaltoken")

    @admin.action(permissions=["issue_token"], description="Issue a personal token")
    def issue_personal_tokens(self, request: HttpRequest, people: QuerySet[User]) -> HttpResponse | None:
        issuer, issued = cast("User", request.user), []
        for person in people:
            try:
                record, token = issue_token(
                    user_id=person.pk,
                    scopes=scopes_for_others(issuer=issuer),
                    name="Issued in the admin",
                    issuer=issuer,
                )
            except User.DoesNotExist:
                self.message_user(request, f"No token for {person}, who is deactivated.", messages.WARNING)
            else:
                log_actions(request, [record], ADDITION, "Issued.")
                issued.append((record, token))
        return issued_page(request, self.admin_site, issued) if issued else None


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("usable", "Usable"), ("revoked", "Revoked"), ("expired", "Expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[PersonalToken]:
        match self.value():
            case "usable":
                return queryset & PersonalToken.objects.usable()
            case "revoked":
                return queryset.filter(revoked_at__isnull=False)
            case "expired":
                return queryset.filter(expires_at__lte=timezone.now())
        return queryset


class IssueTokenForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, help_text="What it allows."
    )

    def clean_scopes(self) -> str:
        return " ".join(self.cleaned_data["scopes"])


@admin.register(PersonalToken)
class PersonalTokenAdmin(ShownOnceAdmin[PersonalToken], ServiceWritesAdmin[PersonalToken]):
    """Tokens are issued and revoked, never changed; only a superuser deletes the record of one."""

    autocomplete_fields = ("user",)
    list_display = ("__str__", "person", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (StateFilter, ("user", LinkedRowFilter))
    ordering = ("-id",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: PersonalToken | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("user", "name", "scopes", "expires_at")
        return ("person", "name", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")

    def get_form(
        self, request: HttpRequest, obj: PersonalToken | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[PersonalToken]]:
        return super().get_form(request, obj, change, **kwargs, **({"form": IssueTokenForm} if obj is None else {}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        scopes = scopes_for_others(issuer=cast("User", request.user))
        return {"scopes": scopes, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: PersonalToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PersonalToken | None = None) -> bool:
        return request.user.is_active and request.user.is_superuser

    def delete_model(self, request: HttpRequest, obj: PersonalToken) -> None:
        self.delete_queryset(request, PersonalToken.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PersonalToken]) -> None:
        with transaction.atomic():
            # What could still be used ends by that, which is on record.
            revoke_tokens(tokens=queryset)
            super().delete_queryset(request, queryset)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("users.change_personaltoken")

    def save_model(self, request: HttpRequest, obj: PersonalToken, form: Any, change: bool) -> None:
        try:
            record, token = issue_token(
                user_id=obj.user_id,
                scopes=obj.scopes.split(),
                name=obj.name,
                expires_at=obj.expires_at,
                issuer=cast("User", request.user),
            )
        except User.DoesNotExist:
            raise ValidationError({"user": "This person is deactivated. Activate them first."}) from None
        obj.pk = record.pk
        request.issued = (record, token)  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: PersonalToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        return issued_page(request, self.admin_site, [request.issued])  # type: ignore[attr-defined]

    @admin.action(permissions=["revoke"], description="Revoke selected personal tokens")
    def revoke(self, request: HttpRequest, tokens: QuerySet[PersonalToken]) -> None:
        # The rows as they are now: a filter on the state would not find them any more when it comes to the log.
        chosen = list(tokens.filter(revoked_at=None))
        revoked = revoke_tokens(tokens=chosen)
        log_actions(request, chosen, CHANGE, "Revoked.")
        self.message_user(request, f"{revoked} revoked. Each is refused from now on.", messages.SUCCESS)


@admin.register(SecurityEvent)
class SecurityEventAdmin(ViewOnly, PersonRowsAdmin[SecurityEvent]):
    """For staff to read; nobody changes what happened."""

    list_display = ("created_at", "kind", "person", "detail", "address", "actor")
    list_filter = ("kind", WithinFilter, ("user", LinkedRowFilter))
    list_select_related = ("user", "by")
    ordering = ("-id",)
    fields = ("created_at", "kind", "person", "detail", "client", "address", "actor", "request_id")

    @admin.display(description="by")
    def actor(self, event: SecurityEvent) -> SafeString:
        return person_link(event.by)


def _lock(person: User) -> None:
    """Nobody else changes or erases the person until the transaction ends. Raises User.DoesNotExist."""
    if User.objects.lock(person.pk) is None:
        raise User.DoesNotExist


def issued_page(request: HttpRequest, site: admin.AdminSite, issued: list[tuple[PersonalToken, str]]) -> HttpResponse:
    """The only page that shows the tokens.

    It answers the form itself: a message for the page after a redirect would keep them in a cookie or in the database.
    """
    context = {**site.each_context(request), "title": "Copy it now", "opts": PersonalToken._meta, "issued": issued}
    request.current_app = site.name
    return TemplateResponse(request, "admin/users/personaltoken/issued.html", context)
