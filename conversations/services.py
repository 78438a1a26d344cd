"""The rules for every write to conversations and messages.

Raises, besides what each says: django.core.exceptions.ValidationError with the field's name for a value that can't be
kept, and Conversation.DoesNotExist for one that is not this person's, whether or not it is somebody else's.
"""

from django.db import transaction
from django.utils import timezone

from conversations.models import Conversation, Message


@transaction.atomic
def start_conversation(*, user_id: str, title: str = "") -> Conversation:
    """A new conversation, with no message yet."""
    conversation = Conversation(user_id=user_id, title=title.strip())
    conversation.updated_at = conversation.created_at
    _validate(conversation)
    conversation.save(force_insert=True)
    return conversation


@transaction.atomic
def add_message(*, user_id: str, conversation_id: int, role: str, content: str) -> Message:
    """Append what one side said, exactly as given; the conversation's `updated_at` moves along."""
    conversation = Conversation.objects.owned_by(user_id).select_for_update().get(pk=conversation_id)
    # Clocks of several servers differ a little: a thread's times never run backwards.
    said_at = max(timezone.now(), conversation.updated_at)
    message = Message(
        conversation=conversation, user_id=conversation.user_id, role=role, content=content, created_at=said_at
    )
    _validate(message)
    message.save(force_insert=True)
    conversation.updated_at = said_at
    conversation.save(update_fields=["updated_at"])
    return message


def _validate(row: Conversation | Message) -> None:
    # The write itself asks the database whether what it refers to exists and the constraints hold.
    row.full_clean(exclude={"user", "conversation"}, validate_unique=False, validate_constraints=False)
