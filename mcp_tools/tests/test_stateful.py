"""Random calls by many people, against a model of what each one's list must be (hypothesis)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from conftest import Caller, grant_act_for_any_user
from tasks.models import Task
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

PEOPLE = 3

titles = st.text(min_size=1, max_size=200).filter(lambda title: title.strip() and _storable(title))
descriptions = st.text(max_size=1000).filter(lambda text: _storable(text))


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


class ManyPeople(RuleBasedStateMachine):
    """Each person by their own token, and a service account that names them."""

    task_ids = Bundle("task_ids")

    @initialize()
    def start(self) -> None:
        run = uuid4().hex
        self.people = [UserFactory.create(id=f"{run}-{n}", username=f"{run}-{n}").pk for n in range(PEOPLE)]
        self.callers = {person: Caller(issue_token(user_id=person)[1]) for person in self.people}
        backend = UserFactory.create(id=f"{run}-backend", username=f"{run}-backend")
        grant_act_for_any_user(backend)
        self.backend = Caller(issue_token(user_id=backend.pk)[1])
        # Per person, the tasks from the oldest to the newest: id → what it must be.
        self.lists: dict[str, dict[int, dict[str, Any]]] = {person: {} for person in self.people}

    def call(self, who: int, by_backend: bool, tool: str, **arguments: Any) -> tuple[str, Any]:
        person = self.people[who]
        if by_backend:
            return person, self.backend.call(tool, user_id=person, **arguments)
        return person, self.callers[person].call(tool, **arguments)

    def expect(self, person: str, task_id: int, reply: Any) -> dict[str, Any] | None:
        """The person's own task; for any other, the reply must be the refusal."""
        task = self.lists[person].get(task_id)
        if task is None:
            assert reply["data"]["error_code"] == 404
        else:
            assert reply["status"] == "success"
        return task

    someone = st.integers(0, PEOPLE - 1)

    @rule(target=task_ids, who=someone, by_backend=st.booleans(), title=titles, description=descriptions)
    def add(self, who: int, by_backend: bool, title: str, description: str) -> Any:
        person, reply = self.call(who, by_backend, "add_task", title=title, description=description)
        task_id = reply["data"]["task_id"]
        assert all(task_id not in tasks for tasks in self.lists.values())
        self.lists[person][task_id] = {"title": title.strip(), "description": description, "completed": False}
        return task_id

    @rule(target=task_ids)
    def an_id_that_nobody_has(self) -> int:
        return 2**62

    @rule(who=someone, by_backend=st.booleans(), task_id=task_ids)
    def complete(self, who: int, by_backend: bool, task_id: int) -> None:
        person, reply = self.call(who, by_backend, "complete_task", task_id=task_id)
        if task := self.expect(person, task_id, reply):
            assert reply["data"]["already_completed"] is task["completed"]
            task["completed"] = True

    @rule(
        who=someone,
        by_backend=st.booleans(),
        task_id=task_ids,
        change=st.fixed_dictionaries({}, optional={"title": titles, "description": descriptions}),
    )
    def update(self, who: int, by_backend: bool, task_id: int, change: dict[str, str]) -> None:
        person, reply = self.call(who, by_backend, "update_task", task_id=task_id, **change)
        if not change:
            assert reply["data"]["problem"] == "nothing_to_change"
        elif task := self.expect(person, task_id, reply):
            task |= {name: value.strip() if name == "title" else value for name, value in change.items()}

    @rule(who=someone, by_backend=st.booleans(), task_id=task_ids)
    def delete(self, who: int, by_backend: bool, task_id: int) -> None:
        person, reply = self.call(who, by_backend, "delete_task", task_id=task_id)
        if self.expect(person, task_id, reply):
            del self.lists[person][task_id]

    @rule(who=someone, other=someone, task_id=task_ids)
    def try_another_person(self, who: int, other: int, task_id: int) -> None:
        if who != other:
            reply = self.callers[self.people[who]].call("delete_task", user_id=self.people[other], task_id=task_id)
            assert reply["data"]["field"] == "user_id"

    @rule(who=someone, status=st.sampled_from(["all", "pending", "completed"]), limit=st.integers(1, 5))
    def page_through(self, who: int, status: str, limit: int) -> None:
        seen: list[int] = []
        cursor = None
        while True:
            person, reply = self.call(who, False, "list_tasks", status=status, limit=limit, cursor=cursor)
            assert len(reply["data"]["tasks"]) <= limit
            seen += [task["task_id"] for task in reply["data"]["tasks"]]
            cursor = reply["data"]["next_cursor"]
            if cursor is None:
                break
        wanted = {"all": (True, False), "pending": (False,), "completed": (True,)}[status]
        assert seen == [id for id, task in reversed(self.lists[person].items()) if task["completed"] in wanted]

    @invariant()
    def everybody_has_what_is_theirs(self) -> None:
        for person in getattr(self, "people", []):
            rows = Task.objects.filter(user_id=person).values("pk", "title", "description", "completed")
            assert {row.pop("pk"): row for row in rows} == self.lists[person]  # type: ignore[misc]


@pytest.mark.django_db
def test_many_people() -> None:
    run_state_machine_as_test(
        ManyPeople,
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
