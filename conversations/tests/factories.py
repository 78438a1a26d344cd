"""Made-up conversations, messages of the same person, notes of staff, and who looked."""

import factory

from conversations.models import ChatAccess, Conversation, Message, Note, Role
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
    role = Role.USER
    content = factory.Sequence(lambda n: f"Message {n}")


class NoteFactory(factory.django.DjangoModelFactory[Note]):
    class Meta:
        model = Note

    conversation = factory.SubFactory(ConversationFactory)
    author = factory.SubFactory(UserFactory, is_staff=True)
    text = factory.Sequence(lambda n: f"Note {n}")


class ChatAccessFactory(factory.django.DjangoModelFactory[ChatAccess]):
    class Meta:
        model = ChatAccess

    actor = factory.SubFactory(UserFactory, is_staff=True)
    action = ChatAccess.Action.VIEWED
    person_id = factory.Sequence(lambda n: f"person-{n}")
    conversation_id = factory.Sequence(lambda n: n + 1)
    detail = "transcript"
