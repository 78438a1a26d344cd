"""The REST API for a person's own tasks."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tasks import services
from tasks.models import Task
from tasks.serializers import AddTaskSerializer, ListTasksSerializer, TaskSerializer, UpdateTaskSerializer
from todoproj.idempotency.decorators import idempotent
from todoproj.rest import KeysetPagination, given
from todoproj.users.authentication import person_of
from todoproj.users.models import Scope


def _shown(request: Request, ids: Sequence[int]) -> Any:
    return TaskSerializer(services.get_task(person=person_of(request), task_id=ids[0])).data


class TaskViewSet(GenericViewSet[Any]):
    """The tasks of the person that the token belongs to."""

    queryset = Task.objects.none()  # for the OpenAPI document; the services find the rows
    serializer_class = TaskSerializer
    pagination_class = KeysetPagination
    lookup_value_converter = "int"
    read_scope, write_scope = Scope.TASKS_READ, Scope.TASKS_WRITE

    @extend_schema(parameters=[ListTasksSerializer], responses=TaskSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List tasks, the newest first."""
        wanted = given(ListTasksSerializer, request.query_params.dict())
        tasks: Any = partial(services.list_tasks, person=person_of(request), status=wanted["status"])
        return self.get_paginated_response(TaskSerializer(self.paginate_queryset(tasks), many=True).data)

    @extend_schema(request=AddTaskSerializer, responses={201: TaskSerializer})
    @idempotent(_shown)
    def create(self, request: Request) -> Response:
        """Add a task."""
        task = services.add_task(person=person_of(request), **given(AddTaskSerializer, request.data))
        return Response(TaskSerializer(task).data, status=status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: int) -> Response:
        """One task."""
        return Response(_shown(request, [pk]))

    @extend_schema(request=UpdateTaskSerializer)
    @idempotent(_shown)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a task's title, its description, or both."""
        changes = given(UpdateTaskSerializer, request.data)
        task, _ = services.update_task(person=person_of(request), task_id=pk, **changes)
        return Response(TaskSerializer(task).data)

    @extend_schema(responses={204: None})
    @idempotent()
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a task for good."""
        services.delete_task(person=person_of(request), task_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None)
    @idempotent(_shown)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: int) -> Response:
        """Mark a task as done. Doing it again changes nothing."""
        task, _ = services.complete_task(person=person_of(request), task_id=pk)
        return Response(TaskSerializer(task).data)
