"""The admin of people and of their tokens."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conftest import authenticate, found
from conversations.models import ChatAccess, Message
from conversations.tests.factories import MessageFactory
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import PersonalToken, Scope, SecurityEvent, User
from todoproj.users.services import issue_token, token_digest
from todoproj.users.tests.factories import PersonalTokenFactory, UserFactory
from todoproj.users.tests.meanwhile import right_after_reading

PEOPLE = reverse("admin:users_user_changelist")
ADD_PERSON = reverse("admin:users_user_add")
CHANGE_ANN = reverse("admin:users_user_change", args=["ann"])
TOKENS = reverse("admin:users_personaltoken_changelist")
ADD_TOKEN = reverse("admin:users_personaltoken_add")
PASSWORD = "a-long-made-up-password-7"


def staff(*codenames: str) -> Client:
    """The browser of a member of staff with these permissions."""
    member = UserFactory.create(is_staff=True)
    member.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(member)
    return client


def new_person(**fields: str) -> dict[str, str]:
    passwords = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    return {"id": "", "username": "cleo", "email": "cleo@example.com", **passwords, **fields}


class TestAddingAPerson:
    def test_with_an_id_of_their_own(self, admin_client: Client) -> None:
        admin_client.post(ADD_PERSON, new_person(id="crm/42"))

        person = User.objects.get(username="cleo")
        assert person.pk == "crm/42"
        assert person.email == "cleo@example.com"
        assert person.check_password(PASSWORD)
        assert admin_client.get(reverse("admin:users_user_change", args=["crm_2F42"])).status_code == 200

    def test_an_empty_id_becomes_a_random_one(self, admin_client: Client) -> None:
        admin_client.post(ADD_PERSON, new_person())

        assert len(User.objects.get(username="cleo").pk) == 36

    def test_the_id_of_somebody_else_is_refused(self, admin_client: Client, ann: User) -> None:
        response = admin_client.post(ADD_PERSON, new_person(id="ann"))

        assert "already exists" in response.text
        assert User.objects.get(pk="ann").username == "ann"

    def test_the_email_address_of_somebody_else_is_refused(self, admin_client: Client, ann: User) -> None:
        response = admin_client.post(ADD_PERSON, new_person(email="ANN@example.com"))

        assert "Someone with this email address exists already." in response.text

    def test_a_control_character_in_an_id_is_refused(self, admin_client: Client) -> None:
        response = admin_client.post(ADD_PERSON, new_person(id="a\0b"))

        assert response.status_code == 200
        assert not User.objects.filter(username="cleo").exists()

    @pytest.mark.parametrize("id", [".", ".."])
    def test_an_id_that_no_address_can_have_is_refused(self, admin_client: Client, id: str) -> None:
        assert "Choose another id." in admin_client.post(ADD_PERSON, new_person(id=id)).text
        assert not User.objects.filter(pk=id).exists()


class TestChangingAPerson:
    def test_the_id_stays(self, admin_client: Client, ann: User) -> None:
        path = reverse("admin:users_user_change", args=["ann"])
        assert 'name="id"' not in admin_client.get(path).text

        response = admin_client.post(path, {"id": "eve", "username": "ann", "first_name": "Ann", "is_active": "on"})

        assert response.status_code == 302
        assert User.objects.get(username="ann").pk == "ann"
        assert User.objects.get(username="ann").first_name == "Ann"

    def test_links_lead_to_what_is_theirs_alone(self, admin_client: Client, ann: User) -> None:
        mine, _ = TaskFactory.create(user=ann), TaskFactory.create()
        page = admin_client.get(reverse("admin:users_user_change", args=["ann"])).text
        path = reverse("admin:tasks_task_changelist")

        assert f"{path}?user__id__exact=ann" in page
        assert found(admin_client, path, user__id__exact="ann") == [mine.pk]

    def test_an_id_that_no_database_can_keep_is_nobodys(self, admin_client: Client) -> None:
        assert admin_client.get("/admin/users/user/a%00b/change/").status_code == 302

    def test_groups_are_changed_too(self, admin_client: Client, ann: User) -> None:
        group = Group.objects.create(name="Readers")

        admin_client.post(CHANGE_ANN, {"username": "ann", "email": ann.email, "is_active": "on", "groups": [group.pk]})

        assert list(User.objects.get(pk="ann").groups.all()) == [group]

    def test_what_happens_meanwhile_stays(self, admin_client: Client, ann: User) -> None:
        happened = {"tokens_valid_from": timezone.now(), "is_active": False, "password": "another"}
        form = {"username": "ann", "first_name": "Ann", "is_active": "on", "initial-is_active": "True"}

        with right_after_reading("ann", lambda: User.objects.filter(pk="ann").update(**happened)):
            assert admin_client.post(CHANGE_ANN, form).status_code == 302

        person = User.objects.get(pk="ann")
        assert person.first_name == "Ann"
        assert {name: getattr(person, name) for name in happened} == happened

    def test_somebody_erased_meanwhile_is_not_made_anew(self, admin_client: Client, ann: User) -> None:
        form = {"username": "ann", "first_name": "Ann", "is_active": "on"}

        with right_after_reading("ann", lambda: User.objects.filter(pk="ann").delete()):
            response = admin_client.post(CHANGE_ANN, form, follow=True)

        assert "Perhaps it was deleted?" in response.text
        assert not User.objects.filter(first_name="Ann").exists()

    def test_the_hash_of_the_password_is_not_shown(self, admin_client: Client, ann: User) -> None:
        ann.set_password(PASSWORD)
        ann.save()

        page = admin_client.get(CHANGE_ANN)

        assert "initial-username" in page.text
        assert ann.password.rpartition("$")[2] not in page.text

    def test_the_password_form_opens(self, admin_client: Client, ann: User) -> None:
        assert admin_client.get(reverse("admin:auth_user_password_change", args=["ann"])).status_code == 200


class TestSettingAPassword:
    PATH = reverse("admin:auth_user_password_change", args=["ann"])
    ANOTHER = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    NONE = {"usable_password": "false", "unset-password": ""}

    @pytest.fixture
    def ann(self, ann: User) -> User:
        ann.set_password("the-password-before-7")
        ann.save()
        return ann

    @pytest.mark.parametrize("form", [ANOTHER, NONE])
    def test_cuts_off_and_changes_nothing_else(self, admin_client: Client, ann: User, form: dict[str, str]) -> None:
        happened = {"is_active": False, "first_name": "Ann"}
        before = timezone.now()

        with right_after_reading("ann", lambda: User.objects.filter(pk="ann").update(**happened)):
            assert admin_client.post(self.PATH, form).status_code == 302

        person = User.objects.get(pk="ann")
        assert person.check_password(PASSWORD) is (form == self.ANOTHER)
        assert person.has_usable_password() is (form == self.ANOTHER)
        assert person.tokens_valid_from is not None
        assert person.tokens_valid_from > before
        assert {name: getattr(person, name) for name in happened} == happened

    def test_somebody_erased_meanwhile_is_not_made_anew(self, admin_client: Client, ann: User) -> None:
        with right_after_reading("ann", lambda: User.objects.filter(pk="ann").delete()):
            response = admin_client.post(self.PATH, self.ANOTHER, follow=True)

        assert "Perhaps it was deleted?" in response.text
        assert not LogEntry.objects.exists()


class TestFindingPeople:
    @pytest.mark.parametrize("term", ["id-7", "CLEO@Example.com", "cle", "cleo", " cleo "])
    def test_finds(self, admin_client: Client, term: str) -> None:
        UserFactory.create(id="id-7", username="cleo", email="cleo@example.com")

        assert found(admin_client, PEOPLE, q=term) == ["id-7"]

    @pytest.mark.parametrize("term", ["id", "ID-7", "leo", "cleo@", "example.com"])
    def test_finds_nobody_by_a_part(self, admin_client: Client, term: str) -> None:
        UserFactory.create(id="id-7", username="cleo", email="cleo@example.com")

        assert found(admin_client, PEOPLE, q=term) == []

    def test_the_autocompletion_of_forms_finds_the_same(self, admin_client: Client) -> None:
        UserFactory.create(id="id-7", username="cleo")
        field = {"app_label": "tasks", "model_name": "task", "field_name": "user"}

        reply = admin_client.get(reverse("admin:autocomplete"), {**field, "term": "cle"})
        nothing = admin_client.get(reverse("admin:autocomplete"), {**field, "term": "\0"})

        assert [row["id"] for row in reply.json()["results"]] == ["id-7"]
        assert nothing.json()["results"] == []


class TestDeletingAPerson:
    def test_sums_up_and_deletes_what_is_theirs(self, admin_client: Client, ann: User) -> None:
        TaskFactory.create_batch(3, user=ann, title="A private title")
        MessageFactory.create(conversation__user=ann)
        path = reverse("admin:users_user_delete", args=["ann"])

        page = admin_client.get(path)
        done = admin_client.post(path, {"post": "yes"})

        assert "Tasks: 3" in page.text
        assert "Messages: 1" in page.text
        assert "A private title" not in page.text
        assert done.status_code == 302
        assert not User.objects.filter(pk="ann").exists()
        assert not Task.objects.exists()
        assert not Message.objects.exists()

    def test_many_people_at_once(self, admin_client: Client, ann: User, bob: User) -> None:
        TaskFactory.create(user=ann)
        TaskFactory.create(user=bob)
        form = {"action": "delete_selected", "_selected_action": ["ann", "bob"], "index": "0"}

        page = admin_client.post(PEOPLE, form)
        admin_client.post(PEOPLE, {**form, "post": "yes"})

        assert "People: 2" in page.text
        assert "Tasks: 2" in page.text
        assert not User.objects.filter(pk__in=["ann", "bob"]).exists()

    def test_needs_the_permission(self, ann: User) -> None:
        client = staff("view_user", "change_user")

        assert client.post(reverse("admin:users_user_delete", args=["ann"]), {"post": "yes"}).status_code == 403
        assert User.objects.filter(pk="ann").exists()


class TestIssuingAToken:
    FORM = {"user": "ann", "name": " Laptop ", "scopes": ["tasks:read"], "expires_at_0": "", "expires_at_1": ""}

    def shown(self, response: Any) -> str:
        assert response.status_code == 200
        [(_, token)] = response.context["issued"]
        assert isinstance(token, str)
        assert response.text.count(token) == 1
        return token

    def test_the_token_works(self, admin_client: Client, ann: User) -> None:
        token = self.shown(admin_client.post(ADD_TOKEN, self.FORM))

        principal = authenticate(token)
        assert principal is not None
        assert (principal.user_id, principal.scopes) == ("ann", frozenset({"tasks:read"}))
        record = PersonalToken.objects.get()
        assert (record.name, record.digest) == ("Laptop", token_digest(token))

    def test_the_token_is_shown_once_and_kept_nowhere(
        self, admin_client: Client, ann: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        response = admin_client.post(ADD_TOKEN, self.FORM)
        token = self.shown(response)
        record = PersonalToken.objects.get()

        later = [
            admin_client.get(path)
            for path in [
                TOKENS,
                reverse("admin:users_personaltoken_change", args=[record.pk]),
                reverse("admin:users_personaltoken_history", args=[record.pk]),
                reverse("admin:index"),
            ]
        ]

        assert "no-store" in response["Cache-Control"]
        assert not any(token in page.text or record.digest in page.text for page in later)
        kept = [repr(list(model.objects.values())) for model in (LogEntry, PersonalToken)]
        kept += [repr(session.get_decoded()) for session in Session.objects.all()]
        kept += [response.cookies.output(), admin_client.cookies.output()]
        assert not any(token in text for text in kept)
        # Django's own record of SQL holds the digest, as the database does; of the token there is no trace.
        assert token not in caplog.text
        assert "".join(repr(vars(line)) for line in caplog.records).count(token) == 0

    def test_staff_are_on_record(self, admin_client: Client, admin_user: User, ann: User) -> None:
        admin_client.post(ADD_TOKEN, self.FORM)

        entry = LogEntry.objects.get()
        assert (entry.user_id, entry.object_repr) == (admin_user.pk, f"#{PersonalToken.objects.get().pk}")
        assert entry.is_addition()

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"user": "nobody"}, "Select a valid choice"),
            ({"scopes": []}, "This field is required"),
            ({"scopes": ["tasks:all"]}, "Select a valid choice"),
            ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "This time has passed"),
            ({"name": "x" * 101}, "at most 100 characters"),
        ],
    )
    def test_what_the_service_refuses_the_form_shows(
        self, admin_client: Client, ann: User, change: dict[str, Any], error: str
    ) -> None:
        response = admin_client.post(ADD_TOKEN, {**self.FORM, **change})

        assert error in response.text
        assert not PersonalToken.objects.exists()
        assert not LogEntry.objects.exists()

    def test_somebody_deactivated_gets_none(self, admin_client: Client) -> None:
        UserFactory.create(id="ann", is_active=False)

        response = admin_client.post(ADD_TOKEN, self.FORM)

        assert "This person is deactivated" in response.text
        assert not PersonalToken.objects.exists()

    def test_for_the_people_selected(self, admin_client: Client, ann: User, bob: User) -> None:
        UserFactory.create(id="gone", is_active=False)
        form = {"action": "issue_personal_tokens", "_selected_action": ["ann", "bob", "gone"], "index": "0"}

        response = admin_client.post(PEOPLE, form)

        principals = [authenticate(token) for _, token in response.context["issued"]]
        assert {principal.user_id for principal in principals if principal} == {"ann", "bob"}
        assert "No token for" in response.text
        assert all(response.text.count(token) == 1 for _, token in response.context["issued"])
        assert LogEntry.objects.count() == 2

    def test_only_for_somebody_deactivated(self, admin_client: Client) -> None:
        UserFactory.create(id="gone", is_active=False)
        form = {"action": "issue_personal_tokens", "_selected_action": ["gone"], "index": "0"}

        response = admin_client.post(PEOPLE, form, follow=True)

        assert "No token for" in response.text
        assert not PersonalToken.objects.exists()

    def test_needs_the_permission(self, ann: User) -> None:
        client = staff("view_user", "change_user", "view_personaltoken")
        form = {"action": "issue_personal_tokens", "_selected_action": ["ann"], "index": "0"}

        client.post(PEOPLE, form)

        assert client.post(ADD_TOKEN, self.FORM).status_code == 403
        assert not PersonalToken.objects.exists()


class TestIssuingATokenForSomebodyElsesChats:
    """By it, their chats can be read where nobody keeps who looks."""

    FORM = {"user": "ann", "name": "", "expires_at_0": "", "expires_at_1": ""}
    ACTION = {"action": "issue_personal_tokens", "_selected_action": ["ann"], "index": "0"}

    @pytest.mark.parametrize("scopes", [["chats:read"], ["chats:write"], ["tasks:read", "chats:read"]])
    def test_is_refused(self, ann: User, scopes: list[str]) -> None:
        client = staff("view_user", "add_personaltoken")

        response = client.post(ADD_TOKEN, {**self.FORM, "scopes": scopes})

        assert response.status_code == 200
        assert "Without the permission to view conversations, use some of tasks:read, tasks:write" in response.text
        assert not PersonalToken.objects.exists()
        assert not ChatAccess.objects.exists()

    def test_is_not_what_is_proposed(self, ann: User) -> None:
        client = staff("view_user", "add_personaltoken")

        assert client.get(ADD_TOKEN).context["adminform"].form.initial["scopes"] == ["tasks:read", "tasks:write"]
        [(record, _)] = client.post(PEOPLE, self.ACTION).context["issued"]
        assert record.scopes == "tasks:read tasks:write"
        assert client.post(ADD_TOKEN, {**self.FORM, "scopes": ["tasks:read"]}).status_code == 200
        assert PersonalToken.objects.count() == 2
        assert not ChatAccess.objects.exists()

    def test_is_for_those_who_may_read_them_and_on_record(self, ann: User) -> None:
        client = staff("view_user", "add_personaltoken", "view_conversation")
        reader = User.objects.get(pk=client.session[SESSION_KEY])

        [(first, _)] = client.post(ADD_TOKEN, {**self.FORM, "scopes": ["chats:read"]}).context["issued"]
        [(second, _)] = client.post(PEOPLE, self.ACTION).context["issued"]

        assert second.scopes == " ".join(Scope.values)
        kept = ChatAccess.objects.order_by("pk").values_list("action", "actor_id", "person_id", "detail")
        details = [f"personal token {token.pk}, {token.scopes}" for token in (first, second)]
        assert list(kept) == [("viewed", reader.pk, "ann", detail) for detail in details]

    def test_is_not_to_issue_one_for_oneself(self, db: None) -> None:
        client = staff("view_user", "add_personaltoken")
        form = {**self.FORM, "user": client.session[SESSION_KEY], "scopes": ["chats:read"]}

        assert client.post(ADD_TOKEN, form).context["issued"]
        assert not ChatAccess.objects.exists()


class TestIssuedTokens:
    def test_are_revoked_from_the_next_call_on(self, admin_client: Client, admin_user: User, ann: User) -> None:
        record, token = issue_token(user_id="ann", scopes=Scope.values)
        form = {"action": "revoke", "_selected_action": [record.pk], "index": "0"}

        response = admin_client.post(TOKENS, form, follow=True)

        assert "1 revoked" in response.text
        assert authenticate(token) is None
        assert LogEntry.objects.get().user_id == admin_user.pk

    def test_the_time_of_the_first_revocation_stands(self, admin_client: Client, ann: User) -> None:
        revoked_at = timezone.now() - timedelta(days=1)
        record = PersonalTokenFactory.create(user=ann, revoked_at=revoked_at)

        admin_client.post(TOKENS, {"action": "revoke", "_selected_action": [record.pk], "index": "0"})

        record.refresh_from_db()
        assert record.revoked_at == revoked_at
        assert not LogEntry.objects.exists()

    def test_revoking_needs_the_permission_to_change(self, ann: User) -> None:
        record = PersonalTokenFactory.create(user=ann)
        form = {"action": "revoke", "_selected_action": [record.pk], "index": "0"}

        staff("view_personaltoken", "add_personaltoken").post(TOKENS, form)
        record.refresh_from_db()
        before = record.revoked_at
        staff("view_personaltoken", "change_personaltoken").post(TOKENS, form)
        record.refresh_from_db()

        assert before is None
        assert record.revoked_at is not None

    def test_never_change(self, admin_client: Client, ann: User) -> None:
        record = PersonalTokenFactory.create(user=ann, name="before")
        path = reverse("admin:users_personaltoken_change", args=[record.pk])

        response = admin_client.post(path, {"user": "ann", "name": "after", "scopes": ["tasks:read"]})

        assert response.status_code == 403
        record.refresh_from_db()
        assert record.name == "before"
        assert "<input" not in admin_client.get(path).context["adminform"].form.as_p()

    def test_only_a_superuser_deletes_the_record(self, admin_client: Client, ann: User) -> None:
        record = PersonalTokenFactory.create(user=ann)
        path = reverse("admin:users_personaltoken_delete", args=[record.pk])
        client = staff("view_personaltoken", "change_personaltoken", "delete_personaltoken")

        assert client.post(path, {"post": "yes"}).status_code == 403
        assert b"delete_selected" not in client.get(TOKENS).content
        assert PersonalToken.objects.exists()
        assert admin_client.post(path, {"post": "yes"}).status_code == 302
        assert not PersonalToken.objects.exists()

    @pytest.mark.parametrize("how", ["page", "action"])
    def test_whose_record_is_deleted_are_on_record_as_revoked(self, admin_client: Client, ann: User, how: str) -> None:
        usable, token = issue_token(user_id="ann")
        PersonalTokenFactory.create(user=ann, revoked_at=timezone.now())
        path = reverse("admin:users_personaltoken_delete", args=[usable.pk])
        form = {"action": "delete_selected", "_selected_action": [row.pk for row in PersonalToken.objects.all()]}

        admin_client.post(*((path, {"post": "yes"}) if how == "page" else (TOKENS, {**form, "post": "yes"})))

        assert authenticate(token) is None
        event = SecurityEvent.objects.get(kind=SecurityEvent.Kind.TOKEN_REVOKED)
        assert (event.user, event.detail) == (ann, f"personal token {usable.pk}")

    def test_are_filtered_by_state(self, admin_client: Client, ann: User) -> None:
        now = timezone.now()
        usable = PersonalTokenFactory.create(user=ann, expires_at=now + timedelta(days=1))
        revoked = PersonalTokenFactory.create(user=ann, revoked_at=now)
        expired = PersonalTokenFactory.create(user=ann, expires_at=now - timedelta(days=1))

        assert found(admin_client, TOKENS, state="usable") == [usable.pk]
        assert found(admin_client, TOKENS, state="revoked") == [revoked.pk]
        assert found(admin_client, TOKENS, state="expired") == [expired.pk]
        assert found(admin_client, TOKENS) == [expired.pk, revoked.pk, usable.pk]

    def test_are_found_by_their_person(self, admin_client: Client, ann: User) -> None:
        mine, _ = PersonalTokenFactory.create(user=ann), PersonalTokenFactory.create()

        assert found(admin_client, TOKENS, q="ann") == [mine.pk]
        assert found(admin_client, TOKENS, q="Ann@Example.com") == [mine.pk]
        assert found(admin_client, TOKENS, q=f"#{mine.pk}") == [mine.pk]


def test_no_list_offers_a_choice_of_people(admin_client: Client) -> None:
    UserFactory.create_batch(3)

    for model in admin.site._registry:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        specs = admin_client.get(path).context["cl"].filter_specs
        assert all(spec.title != "person" for spec in specs)
