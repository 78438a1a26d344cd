"""What the admins of large tables share: no page counts, sorts or lists a whole table."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar
from urllib.parse import parse_qsl

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, ChangeList
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import BigIntegerField, Field, Model, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from todoproj.keyset import after, opposite
from todoproj.logs import current_request
from todoproj.text import is_storable

# How far rows are counted where a number is wanted.
COUNT_LIMIT = 10_000
# As Django says it.
NOTHING_SELECTED = "Items must be selected in order to perform actions on them. No items have been changed."

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

    def __format__(self, spec: str) -> str:
        return str(self)


def bounded_count(queryset: QuerySet[Any]) -> int:
    """How many rows there are, up to COUNT_LIMIT; beyond it, a `MoreThan`."""
    # The keys alone: a list may annotate its rows with what takes long to read.
    count = queryset.order_by().values("pk")[: COUNT_LIMIT + 1].count()
    return MoreThan(count) if count > COUNT_LIMIT else count


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's own takes none at run time
    """What a field for a related row offers, as one scrolls: of the first COUNT_LIMIT rows only."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return min(bounded_count(self.object_list), COUNT_LIMIT)


class Place(NamedTuple):
    """Where in a list a page starts, or ends: at the values of the fields that it is sorted by. It stays right while
    rows come and go."""

    side: Literal["after", "before"]
    values: list[str]

    def __str__(self) -> str:
        return json.dumps([self.side, *self.values])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what is none."""
        match json.loads(text):
            case [("after" | "before") as side, *values] if all(isinstance(value, str) for value in values):
                return cls(side, values)
        raise ValueError("No place in a list")


class FilteredChangeList(ChangeList):
    """A list that the parameters of a link narrow down by its own filters alone, and by what these offer.

    Django's takes any lookup on any field there: also one that reads the whole table, or that finds out, letter by
    letter, what no page shows, such as a digest. It also takes any text for the value of a filter, which the record of
    an export would repeat.
    """

    def get_filters_params(self, params: Any = None) -> dict[str, list[str]]:
        asked: dict[str, list[str]] = super().get_filters_params(params)
        if not all(is_storable(text) for texts in asked.values() for text in texts):
            raise IncorrectLookupParameters
        return asked

    def get_filters(self, request: HttpRequest) -> Any:
        found = super().get_filters(request)
        if unclaimed := found[2]:
            raise DisallowedModelAdminLookup(f"Not a filter of this list: {', '.join(unclaimed)}")
        asked = self.get_filters_params()
        for spec in found[0]:
            for name in asked.keys() & spec.expected_parameters():
                if isinstance(spec, admin.SimpleListFilter) and len(asked[name]) > 1:
                    # It would take the last one, and whoever reads the parameter elsewhere would take all.
                    raise IncorrectLookupParameters
                if not all(self._is_offered(spec, name, text) for text in asked[name]):
                    raise IncorrectLookupParameters
        return found

    def _is_offered(self, spec: Any, name: str, text: str) -> bool:
        """Whether a filter has a link to this value."""
        if isinstance(spec, admin.DateFieldListFilter):
            # It has links to few days, to other ones tomorrow, and reads nothing but a time.
            return True
        links = (choice["query_string"].removeprefix("?") for choice in spec.choices(self))
        return any((name, text) in parse_qsl(link, keep_blank_values=True) for link in links)


class KeysetChangeList(FilteredChangeList):
    """A list that is paged through from place to place, and never counted. It has one order, that of its admin.

    earlier, later, first: the parameters of the links to other pages, or None.
    """

    earlier: str | None
    later: str | None
    first: str | None

    @property
    def ordering(self) -> list[str]:
        fields: Any = self.model_admin.ordering
        return list(fields)

    @property
    def newest_first(self) -> bool:
        return self.ordering[0].startswith("-")

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return self.ordering

    def get_results(self, request: HttpRequest) -> None:
        asked = request.GET.get(PAGE_VAR)
        try:
            place = Place.parse(asked) if asked else None
            rows, more = self._page(place)
        except (ValueError, TypeError, RecursionError, OverflowError, ValidationError):
            # OverflowError: in UTC, which SQLite keeps, the time would be before the year 1 or after 9999.
            raise IncorrectLookupParameters from None
        if place and place.side == "before" and not more:
            # There is no page before the first: whatever has come meanwhile is on it.
            place = None
            rows, more = self._page(place)
        has_later = more if place is None or place.side == "after" else True
        self.first = self.get_query_string() if place else None
        self.earlier = self._link("before", rows[0]) if place and rows else None
        self.later = self._link("after", rows[-1]) if has_later and rows else None
        self.result_list = rows
        # Of this page; both the same, so that nowhere is a number of all.
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.can_show_all = False
        self.multi_page = more or place is not None
        self.show_admin_actions = bool(rows)

    def _page(self, place: Place | None) -> tuple[list[Any], bool]:
        """The rows of a page, and whether there are more beyond it."""
        rows, backwards = self.queryset, place is not None and place.side == "before"
        if place is not None:
            ordering = opposite(self.ordering) if backwards else self.ordering
            pairs = zip(self._sorted_by(), place.values, strict=True)
            rows = rows.filter(after(ordering, [_value(field, text) for field, text in pairs])).order_by(*ordering)
        found = list(rows[: self.list_per_page + 1])
        more = len(found) > self.list_per_page
        del found[self.list_per_page :]
        return (found[::-1] if backwards else found), more

    def _link(self, side: Literal["after", "before"], row: Model) -> str:
        place = Place(side, [field.value_to_string(row) for field in self._sorted_by()])
        return self.get_query_string({PAGE_VAR: str(place)})

    def _sorted_by(self) -> list[Any]:
        """The fields of the ordering."""
        return [self.opts.get_field(name.removeprefix("-")) for name in self.ordering]


def _value(field: Any, text: str) -> Any:
    """A field's value from the text in a request. Raises ValueError or ValidationError for what is none."""
    value = field.to_python(text)
    naive = isinstance(value, dt.datetime) and value.tzinfo is None
    too_large = isinstance(value, int) and abs(value) > BigIntegerField.MAX_BIGINT
    if naive or too_large or not is_storable(text):
        raise ValueError("No value of the field")
    return value


def log_actions(
    request: HttpRequest, rows: Iterable[Model], flag: int, message: str | list[Any] = "", *, numbered: bool = True
) -> None:
    """Write into the admin's history what was done to rows, each by its number alone, or as one of its kind.

    What a row is called can be somebody's own words, and the history outlives it.
    """
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=str(request.user.pk),
            content_type=ContentType.objects.get_for_model(row, for_concrete_model=False),
            object_id=str(row.pk) if numbered else None,
            object_repr=f"#{row.pk}" if numbered else f"a {row._meta.verbose_name}",
            action_flag=flag,
            change_message=json.dumps(message) if isinstance(message, list) else message,
        )
        for row in rows
    )


class StrictAdmin(_ModelAdmin[M]):
    """An admin whose links tell nobody more than they may see, and whose actions take only what can be a row."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FilteredChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, HttpResponseRedirect) and response.url == f"{request.path}?{ERROR_FLAG}=1":
            # Django shows the whole list then, as if it was what was asked for.
            self.message_user(request, "There is no such filter or page. This is the whole list.", messages.WARNING)
        return response

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Django looks for the row first, and by that tells everybody whether it is there.
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        try:
            for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
                _value(self.opts.pk, text)
        except (ValueError, ValidationError):
            self.message_user(request, NOTHING_SELECTED, messages.WARNING)
            return None
        return super().response_action(request, queryset, *args)


class LargeTableAdmin(StrictAdmin[M]):
    """The admin of a table that can have millions of rows.

    A subclass says what its search finds, by whole values that an index knows, and gives an ordering that an index has:
    of fields in one direction, the last of which no two rows have the same of.
    """

    change_list_template = "admin/large_table.html"
    paginator = BoundedPaginator
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    # A click on a column would sort the table by it.
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList

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

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> None:  # type: ignore[override]
        log_actions(request, [obj], ADDITION, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> None:  # type: ignore[override]
        log_actions(request, [obj], CHANGE, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[M]) -> None:  # type: ignore[override]
        log_actions(request, queryset, DELETION)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        if request.POST.get("select_across", "0") != "0":
            self.message_user(request, "An action takes the rows of one page. Nothing was changed.", messages.WARNING)
            return None
        return super().response_action(request, queryset, *args)


class ViewOnly:
    """An admin in which whoever has the permission to view may view; nobody may do more, a superuser neither."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def may_see(model: type[Model]) -> bool:
    """Whether whoever is being served may see the model's rows in the admin."""
    request = current_request()
    return request is not None and admin.site.get_model_admin(model).has_view_permission(request)


def link(model: type[Model], url: str, text: Any) -> SafeString:
    """A link to a page about rows of the model; for who may not see them, the text alone."""
    return format_html('<a href="{}">{}</a>', url, text) if may_see(model) else format_html("{}", text)


def page_link(model: type[Model], pk: Any, text: Any) -> SafeString:
    """A link to a row's own page, whether or not the row is still there."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[quote(pk)])
    return link(model, url, text)


def change_link(row: Model, text: str = "") -> SafeString:
    """As `page_link`; without a text, by what the row is called."""
    return page_link(type(row), row.pk, text or row)


def person_link(person: Any) -> SafeString:
    """A person's page by their username; `-` for nobody."""
    return change_link(person, person.get_username()) if person else SafeString("-")


def is_person(term: str) -> Q:
    """The person with exactly this id, or with this email address in any case."""
    # The address of nobody is in no index, and saying so is what lets the index on addresses be used.
    return Q(pk=term) | Q(Exact(Lower("email"), Lower(Value(term)))) & ~Q(email="")


def people_named(term: str) -> list[Any]:
    """The ids of the people whose whole id or email address this is."""
    return list(get_user_model()._default_manager.filter(is_person(term)).values_list("pk", flat=True))


def row_number(term: str) -> int | None:
    """The id in a search for `7` or `#7`; None in any other."""
    match = re.fullmatch(r"#?([0-9]{1,19})", term)
    return int(match[1]) if match else None


class LinkedRowFilter(admin.FieldListFilter):
    """The rows of one related row, which a link names: there are too many to offer a choice of them.

    Raises IncorrectLookupParameters for a link that names several.
    """

    def __init__(
        self,
        field: Field[Any, Any],
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
        field_path: str,
    ) -> None:
        self.parameter = self.parameter_for(field_path)
        self.values = params.get(self.parameter, [])
        if len(self.values) > 1:
            # Whoever reads the parameter elsewhere, such as a search or an export, knows of one.
            raise IncorrectLookupParameters
        super().__init__(field, request, params, model, model_admin, field_path)
        if field.related_model:
            self.title = field.related_model._meta.verbose_name

    @classmethod
    def url(cls, model: type[Model], field_path: str, pk: str | int) -> str:
        """The list of a model, narrowed down to the rows of one related row."""
        changelist = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        return f"{changelist}?{urlencode({cls.parameter_for(field_path): pk})}"

    @staticmethod
    def parameter_for(field_path: str) -> str:
        """The name of the parameter that holds the related row's id."""
        return f"{field_path}__id__exact"

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
            "display": self.values[0],
        }


class WithinFilter(admin.SimpleListFilter):
    """The rows of the last days, by `created_at`."""

    title = "when"
    parameter_name = "within"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("1", "Last day"), ("7", "Last 7 days"), ("30", "Last 30 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        days = self.value()
        if days is None:
            return queryset
        return queryset.filter(created_at__gte=timezone.now() - dt.timedelta(days=int(days)))


class PersonRowsAdmin(LargeTableAdmin[M]):
    """The admin of a table whose rows each belong to a person, in `user`."""

    list_select_related: ClassVar[tuple[str, ...]] = ("user",)
    search_fields = ("id", "user__id", "user__email")
    search_help_text = "A number such as 7, or a person's whole id or email address."

    def search(self, term: str) -> Q:
        # Asked first: as a part of the search for rows, it would keep the database from using an index for either.
        found = Q(user_id__in=people_named(term))
        number = row_number(term)
        return found if number is None else found | Q(pk=number)

    @admin.display(description="person")
    def person(self, row: Any) -> SafeString:
        return person_link(row.user)


class ShownOnceAdmin(LargeTableAdmin[M]):
    """An admin in which the page after a row was added is the only one that shows its secret."""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Whatever the button, that page comes next.
        only_save = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, only_save | (extra_context or {}))


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
