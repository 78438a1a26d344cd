"""The admin's site: what holds for every page of it, whichever app the page is from."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.decorators.http import require_http_methods


class AdminConfig(DjangoAdminConfig):
    default_site = "todoproj.admin_site.Site"


class OfferedRows(AutocompleteJsonView):
    """The rows that a field offers as somebody types, of the fields that a form of the admin has.

    Django's answers for any field that refers to rows of an admin's: by those, somebody could search in what people
    said, and no record would tell of it.
    """

    admin_site: admin.AdminSite

    def process_request(self, request: HttpRequest) -> tuple[str, admin.ModelAdmin[Any], Any, str]:
        found: tuple[str, admin.ModelAdmin[Any], Any, str] = super().process_request(request)
        _, _, field, _ = found
        if not self.admin_site.is_registered(field.model):
            raise PermissionDenied
        if field.name not in self.admin_site.get_model_admin(field.model).get_autocomplete_fields(request):
            raise PermissionDenied
        return found


class Site(admin.AdminSite):
    site_header = site_title = "todoproj"
    # There is no other site to view.
    site_url = None
    index_template = "admin/activity_index.html"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        # Django's pages take any other method for GET.
        return require_http_methods(["GET", "HEAD", "POST"])(super().admin_view(view, cacheable))

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return OfferedRows.as_view(admin_site=self)(request)
