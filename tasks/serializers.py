"""Tasks as JSON, and what a client may say of them. What holds for a value is the services' business."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH, Status, Task
from todoproj.rest import ChoiceField, TextField


class TaskSerializer(serializers.ModelSerializer[Any]):
    class Meta:
        model = Task
        fields = ["id", "title", "description", "completed", "completed_at", "created_at", "updated_at"]
        read_only_fields = fields


class AddTaskSerializer(serializers.Serializer[Any]):
    title = TextField(max_length=TITLE_MAX_LENGTH, trim_whitespace=False)
    description = TextField(max_length=DESCRIPTION_MAX_LENGTH, default="", allow_blank=True, trim_whitespace=False)


class UpdateTaskSerializer(serializers.Serializer[Any]):
    title = TextField(max_length=TITLE_MAX_LENGTH, required=False, trim_whitespace=False)
    description = TextField(max_length=DESCRIPTION_MAX_LENGTH, required=False, allow_blank=True, trim_whitespace=False)


class UpdateTaskSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says that there must be something to change."""

    target_class = UpdateTaskSerializer

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        fields: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return fields | {"anyOf": [{"required": [name]} for name in fields["properties"]]}


class ListTasksSerializer(serializers.Serializer[Any]):
    status = ChoiceField(choices=Status.choices, default=Status.ALL, help_text="Which tasks.")
