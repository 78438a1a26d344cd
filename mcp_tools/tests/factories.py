"""Made-up calls of tools, each of its conversation's person."""

import factory

from conversations.tests.factories import ConversationFactory
from mcp_tools.models import ToolCall


class ToolCallFactory(factory.django.DjangoModelFactory[ToolCall]):
    class Meta:
        model = ToolCall

    conversation = factory.SubFactory(ConversationFactory)
    user = factory.SelfAttribute("conversation.user")
    principal = factory.SelfAttribute("user.pk")
    client_name = "chat"
    tool = "add_task"
    arguments = factory.Sequence(lambda n: {"title": f"Task {n}"})
    duration_ms = 3.5
