"""Tasks as JSON, and what a client may say of them. What holds for a value is the services' business."""

from typing import Any

from rest_framework import serializers

from tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_MAX_LENGTH, Status, Task


class TaskSerializer(serializers.ModelSerializer[Any]):
    class Meta:
        model = Task
        fields = ["id", "title", "description", "completed", "completed_at", "created_at", "updated_at"]
        read_only_fields = fields


class AddTaskSerializer(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=TITLE_MAX_LENGTH)
    description = serializers.CharField(
        max_length=DESCRIPTION_MAX_LENGTH, default="", allow_blank=True, trim_whitespace=False
    )


class UpdateTaskSerializer(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=TITLE_MAX_LENGTH, required=False)
    description = serializers.CharField(
        max_length=DESCRIPTION_MAX_LENGTH, required=False, allow_blank=True, trim_whitespace=False
    )


class ListTasksSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=Status.choices, default=Status.ALL, help_text="Which tasks.")
