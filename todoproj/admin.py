"""What the admins of large tables share: no page counts, sorts or lists a whole table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.paginator import Paginator
from django.db.models import Field, Model, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from todoproj.text import is_storable

# Rows that a list counts and pages through; beyond them, a search finds.
COUNT_LIMIT = 10_000

_NUMBER = re.compile(r"#?([0-9]{1,19})")

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        """Django's own, which takes no type argument at run time."""


class MoreThan(int):
    """A count that stopped one above a limit, and says so wherever a page prints it."""

    def __str__(self) -> str:
        return f"more than {self - 1:,}"


def bounded_count(queryset: QuerySet[Any]) -> int:
    """How many rows there are, up to COUNT_LIMIT; beyond it, a `MoreThan`."""
    # The keys alone: a list may annotate its rows with what takes long to read.
    count = queryset.order_by().values("pk")[: COUNT_LIMIT + 1].count()
    return MoreThan(count) if count > COUNT_LIMIT else count


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's own takes none at run time
    """Counts and pages through the first COUNT_LIMIT rows only."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return bounded_count(self.object_list)

    @cached_property
    def num_pages(self) -> int:
        return max(1, ceil(min(self.count, COUNT_LIMIT) / self.per_page))


class OnePageActionForm(ActionForm):
    """Actions for the rows on a page, without Django's offer to take all the others too: it could be millions."""

    class Media:
        css = {"all": [SafeString("<style>.actions .question { display: none !important }</style>")]}


class LargeTableAdmin(_ModelAdmin[M]):
    """The admin of a table that can have millions of rows.

    A subclass says what its search finds, by whole values that an index knows, and gives an ordering that an index has.
    """

    paginator = BoundedPaginator
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    action_form = OnePageActionForm
    # A click on a column would sort the table by it.
    sortable_by = ()

    def search(self, term: str) -> Q:
        """The rows that a search for `term` finds."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        term = search_term.strip()
        if not is_storable(term):
            return queryset.none(), False
        return (queryset.filter(self.search(term)) if term else queryset), False

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        if request.POST.get("select_across", "0") != "0":
            self.message_user(request, "An action takes the rows of one page. Nothing was changed.", messages.WARNING)
            return None
        return super().response_action(request, queryset, *args)


def change_link(row: Model, text: str = "") -> SafeString:
    """A link to the row's own page."""
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(row.pk)])
    return format_html('<a href="{}">{}</a>', url, text or row)


def is_person(term: str) -> Q:
    """The person with exactly this id, or with this email address in any case."""
    # The address of nobody is in no index, and saying so is what lets the index on addresses be used.
    return Q(pk=term) | Q(Exact(Lower("email"), Lower(Value(term)))) & ~Q(email="")


class LinkedRowFilter(admin.FieldListFilter):
    """The rows of one related row, which a link names: there are too many to offer a choice of them."""

    def __init__(
        self,
        field: Field[Any, Any],
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
        field_path: str,
    ) -> None:
        self.parameter = f"{field_path}__id__exact"
        self.values = params.get(self.parameter, [])
        super().__init__(field, request, params, model, model_admin, field_path)
        if field.related_model:
            self.title = field.related_model._meta.verbose_name

    @classmethod
    def url(cls, model: type[Model], field_path: str, pk: str | int) -> str:
        """The list of a model, narrowed down to the rows of one related row."""
        changelist = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        return f"{changelist}?{urlencode({f'{field_path}__id__exact': pk})}"

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def has_output(self) -> bool:
        return bool(self.values)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield {
            "selected": False,
            "query_string": changelist.get_query_string(remove=[self.parameter]),
            "display": "All",
        }
        yield {
            "selected": True,
            "query_string": changelist.get_query_string(),
            "display": ", ".join(self.values),
        }


class PersonRowsAdmin(LargeTableAdmin[M]):
    """The admin of a table whose rows each belong to a person, in `user`."""

    list_select_related: ClassVar[tuple[str, ...]] = ("user",)
    search_fields = ("id", "user__id", "user__email")
    search_help_text = "A number such as 7, or a person's whole id or email address."

    def search(self, term: str) -> Q:
        # Asked first: as a part of the search for rows, it would keep the database from using an index for either.
        people = list(get_user_model()._default_manager.filter(is_person(term)).values_list("pk", flat=True))
        found = Q(user_id__in=people)
        number = _NUMBER.fullmatch(term)
        return found | Q(pk=number[1]) if number else found

    @admin.display(description="person")
    def person(self, row: Any) -> SafeString:
        return change_link(row.user, row.user.get_username())


class ServiceWritesAdmin(PersonRowsAdmin[M]):
    """An admin whose `save_model` calls a service: what that refuses with ValidationError, the form shows."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as refusal:
            # Everything is rolled back. The same once more shows the form as it was sent, with what the service said.
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[M]]:
        form_class = super().get_form(request, obj, change, **kwargs)
        refusal: ValidationError | None = getattr(request, "refusal", None)
        return form_class if refusal is None else _refused(form_class, refusal)


def _refused(form_class: type[ModelForm[M]], refusal: ValidationError) -> type[ModelForm[M]]:
    """The form, whose every validation ends with the refusal."""
    by_field = refusal.error_dict if hasattr(refusal, "error_dict") else {NON_FIELD_ERRORS: refusal.error_list}

    class RefusedForm(form_class):  # type: ignore[valid-type,misc]  # made at run time
        def clean(self) -> None:
            super().clean()
            for field, errors in by_field.items():
                self.add_error(field if field in self.fields else None, errors)

    return RefusedForm
