"""Made-up conversations and messages, each message of its conversation's person."""

import factory

from conversations.models import Conversation, Message
from todoproj.users.tests.factories import UserFactory


class ConversationFactory(factory.django.DjangoModelFactory[Conversation]):
    class Meta:
        model = Conversation

    user = factory.SubFactory(UserFactory)
    title = factory.Sequence(lambda n: f"Conversation {n}")


class MessageFactory(factory.django.DjangoModelFactory[Message]):
    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationFactory)
    user = factory.SelfAttribute("conversation.user")
    role = Message.Role.USER
    content = factory.Sequence(lambda n: f"Message {n}")
