"""The admin of tasks."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from tasks import services
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User
from todoproj.users.principals import Person

TASKS = reverse("admin:tasks_task_changelist")
ADD = reverse("admin:tasks_task_add")


def change(task: Task) -> str:
    return reverse("admin:tasks_task_change", args=[task.pk])


class TestAdding:
    def test_goes_through_the_service(self, admin_client: Client, ann: User) -> None:
        response = admin_client.post(ADD, {"user": "ann", "title": "  Buy milk ", "description": " two\r\nbottles "})

        task = Task.objects.get()
        assert response.status_code == 302
        assert (task.user_id, task.title, task.description) == ("ann", "Buy milk", " two\nbottles ")
        assert task.updated_at == task.created_at
        assert LogEntry.objects.get().object_id == str(task.pk)

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"title": "   "}, "This field is required"),
            ({"title": "x" * 201}, "at most 200 characters"),
            ({"title": "a\0b"}, "Null characters are not allowed"),
            ({"description": "x" * 1001}, "at most 1000 characters"),
            ({"user": "nobody"}, "Select a valid choice"),
        ],
    )
    def test_a_bad_value_is_an_error_of_the_form(
        self, admin_client: Client, ann: User, fields: dict[str, str], error: str
    ) -> None:
        response = admin_client.post(ADD, {"user": "ann", "title": "Buy milk", "description": "", **fields})

        assert response.status_code == 200
        assert error in response.text
        assert not Task.objects.exists()

    @pytest.mark.parametrize("said", [{"title": "No milk today."}, {"completed": "No milk today."}, "No milk today."])
    def test_what_the_service_refuses_the_form_shows(
        self, admin_client: Client, ann: User, monkeypatch: pytest.MonkeyPatch, said: Any
    ) -> None:
        def refuse(**given: Any) -> Task:
            TaskFactory.create(title="Half done")
            raise ValidationError(said)

        monkeypatch.setattr(services, "add_task", refuse)

        response = admin_client.post(ADD, {"user": "ann", "title": "Buy milk", "description": "2 bottles"})

        assert response.status_code == 200
        assert "No milk today." in response.text
        assert 'value="Buy milk"' in response.text
        assert not Task.objects.exists()
        assert not LogEntry.objects.exists()


class TestChanging:
    def test_goes_through_the_service(self, admin_client: Client, ann: User) -> None:
        task = TaskFactory.create(user=ann, title="Buy milk", description="two\nbottles")
        before = task.updated_at

        response = admin_client.post(change(task), {"title": " Buy tea ", "description": "two\r\nbottles"})

        task.refresh_from_db()
        assert response.status_code == 302
        assert (task.title, task.description) == ("Buy tea", "two\nbottles")
        assert task.updated_at > before
        assert LogEntry.objects.get().get_change_message() == "Changed Title."

    def test_saving_what_is_there_changes_nothing(self, admin_client: Client, ann: User) -> None:
        task = TaskFactory.create(user=ann, title="Buy milk", description=" two\nbottles")
        before = task.updated_at

        admin_client.post(change(task), {"title": "Buy milk", "description": " two\r\nbottles"})

        task.refresh_from_db()
        assert task.updated_at == before
        assert task.description == " two\nbottles"

    def test_a_description_can_be_cleared(self, admin_client: Client, ann: User) -> None:
        task = TaskFactory.create(user=ann, description="two bottles")

        admin_client.post(change(task), {"title": task.title, "description": ""})

        task.refresh_from_db()
        assert task.description == ""

    def test_person_and_completion_stay(self, admin_client: Client, ann: User, bob: User) -> None:
        task = TaskFactory.create(user=ann)

        admin_client.post(change(task), {"user": "bob", "completed": "on", "title": "New", "description": ""})

        task.refresh_from_db()
        assert (task.user_id, task.completed, task.title) == ("ann", False, "New")

    def test_a_bad_value_is_an_error_of_the_form(self, admin_client: Client, ann: User) -> None:
        task = TaskFactory.create(user=ann, title="Buy milk")

        response = admin_client.post(change(task), {"title": " ", "description": ""})

        assert "This field is required" in response.text
        task.refresh_from_db()
        assert task.title == "Buy milk"

    def test_one_deleted_meanwhile_is_said_to_be_gone(
        self, admin_client: Client, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = TaskFactory.create(user=ann)
        update_task = services.update_task

        def late(**given: Any) -> tuple[services.TaskRow, list[str]]:
            monkeypatch.undo()
            Task.objects.all().delete()
            return update_task(**given)

        monkeypatch.setattr(services, "update_task", late)

        response = admin_client.post(change(task), {"title": "New", "description": ""}, follow=True)

        assert response.status_code == 200


class TestCompleting:
    def test_completes_the_selected_ones_once(self, admin_client: Client, ann: User) -> None:
        pending, other = TaskFactory.create_batch(2, user=ann)
        done = TaskFactory.create(user=ann, done=True)
        form = {"action": "mark_as_completed", "_selected_action": [pending.pk, done.pk], "index": "0"}

        response = admin_client.post(TASKS, form, follow=True)

        assert "1 marked as completed." in response.text
        for task in (pending, other):
            task.refresh_from_db()
        assert (pending.completed, other.completed) == (True, False)
        assert pending.completed_at is not None
        assert Task.objects.get(pk=done.pk).completed_at == done.completed_at
        assert LogEntry.objects.get().object_id == str(pending.pk)


class TestDeleting:
    def test_one(self, admin_client: Client, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        task = TaskFactory.create(user=ann)
        deleted = record_calls(monkeypatch)

        admin_client.post(reverse("admin:tasks_task_delete", args=[task.pk]), {"post": "yes"})

        assert deleted == [{"user_id": "ann", "task_id": task.pk}]
        assert not Task.objects.exists()

    def test_many(self, admin_client: Client, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        tasks = TaskFactory.create_batch(3, user=ann)
        deleted = record_calls(monkeypatch)
        form = {"action": "delete_selected", "_selected_action": [task.pk for task in tasks], "index": "0"}

        admin_client.post(TASKS, {**form, "post": "yes"})

        assert len(deleted) == 3
        assert not Task.objects.exists()


class TestFinding:
    def found(self, client: Client, **params: str) -> set[int]:
        return {task.pk for task in client.get(TASKS, params).context["cl"].result_list}

    def test_by_number_person_and_email_address(self, admin_client: Client, ann: User, bob: User) -> None:
        mine, other = TaskFactory.create(user=ann, title="Buy milk"), TaskFactory.create(user=bob)

        assert self.found(admin_client, q=str(other.pk)) == {other.pk}
        assert self.found(admin_client, q=f"#{other.pk}") == {other.pk}
        assert self.found(admin_client, q="ann") == {mine.pk}
        assert self.found(admin_client, q="ANN@example.com") == {mine.pk}
        assert self.found(admin_client, q="milk") == set()

    def test_by_completion(self, admin_client: Client, ann: User) -> None:
        pending, done = TaskFactory.create(user=ann), TaskFactory.create(user=ann, done=True)

        assert self.found(admin_client, completed__exact="1") == {done.pk}
        assert self.found(admin_client, completed__exact="0") == {pending.pk}


def record_calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the service is called with, which does its work all the same."""
    calls: list[dict[str, Any]] = []
    delete_task = services.delete_task

    def recorded(*, person: Person, task_id: int) -> services.TaskRow:
        calls.append({"user_id": person.params[0], "task_id": task_id})
        return delete_task(person=person, task_id=task_id)

    monkeypatch.setattr(services, "delete_task", recorded)
    return calls
