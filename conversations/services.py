"""The rules for conversations and their messages.

Each takes the id of the person whose they are, but for what staff do, at the end; and raises, besides what it says:
django.core.exceptions.ValidationError with the field's name for a value that can't be kept, and
Conversation.DoesNotExist for one that is not this person's, whether or not it is somebody else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from conversations.accesses import record_access
from conversations.models import BEGINNING_LENGTH, ChatAccess, Conversation, Message, Note
from todoproj.keyset import page

# How many messages a turn may have.
TURN_MAX_LENGTH = 100

# What a redacted message says.
REDACTED = "[This message was redacted.]"

# No two messages of a conversation are closer: so the time alone says which was first.
_APART = timedelta(microseconds=1)


class Said(NamedTuple):
    """What one side says. role: of Role."""

    role: str
    content: str


@transaction.atomic
def start_conversation(*, user_id: str, title: str = "") -> Conversation:
    """A new conversation, with no message yet. The title is stripped of white space around it, and may be empty."""
    conversation = Conversation(user_id=user_id, title=title.strip())
    conversation.updated_at = conversation.created_at
    _validate(conversation)
    conversation.save(force_insert=True)
    return conversation


def get_conversation(*, user_id: str, conversation_id: int) -> Conversation:
    """One conversation."""
    return Conversation.objects.owned_by(user_id).get(pk=conversation_id)


def list_conversations(
    *, user_id: str, search: str = "", limit: int, cursor: str | None = None
) -> tuple[list[Conversation], str | None]:
    """At most `limit` conversations, the newest activity first and then by id, from `cursor` on; and the next page's
    cursor, if any.

    search: only those that ConversationQuerySet.search finds; all for a blank text. Raises ValidationError for one that
    is too long, and for a text that is no cursor.
    """
    theirs = Conversation.objects.owned_by(user_id)
    if search.strip():
        theirs = theirs.search(search, user_id=user_id)
    return page(theirs, "updated_at", newest_first=True, limit=limit, cursor=cursor)


@transaction.atomic
def rename_conversation(*, user_id: str, conversation_id: int, title: str) -> Conversation:
    """The conversation with another title, stripped of white space around it. Its place in the list stays."""
    conversation = _locked(user_id, conversation_id)
    conversation.title = title.strip()
    _validate(conversation)
    conversation.save(update_fields=["title"])
    return conversation


@transaction.atomic
def delete_conversation(*, user_id: str, conversation_id: int) -> None:
    """Delete a conversation with its messages, for good."""
    _locked(user_id, conversation_id).delete()


def list_messages(
    *, user_id: str, conversation_id: int, newest_first: bool = False, limit: int, cursor: str | None = None
) -> tuple[list[Message], str | None]:
    """At most `limit` messages as they were said, or from the last one back, from `cursor` on; and the next page's
    cursor, if any. Raises ValidationError for a text that is no cursor."""
    conversation = get_conversation(user_id=user_id, conversation_id=conversation_id)
    messages = Message.objects.owned_by(user_id).filter(conversation=conversation)
    return page(messages, "created_at", newest_first=newest_first, limit=limit, cursor=cursor)


def get_messages(*, user_id: str, message_ids: Sequence[int]) -> list[Message]:
    """These messages, in this order. Raises Message.DoesNotExist unless all of them are this person's."""
    found = Message.objects.owned_by(user_id).in_bulk(message_ids)
    if not found.keys() >= set(message_ids):
        raise Message.DoesNotExist
    return [found[message_id] for message_id in message_ids]


def add_message(*, user_id: str, conversation_id: int, role: str, content: str) -> Message:
    """Append what one side said, exactly as given."""
    _validate(Message(role=role, content=content))
    [message] = _append(user_id, conversation_id, [Said(role, content)])
    return message


def add_turn(*, user_id: str, conversation_id: int, messages: Sequence[Said]) -> list[Message]:
    """Append what several said, one after the other, exactly as given: all of it or nothing, and nothing in between.

    Raises ValidationError for no message or more than TURN_MAX_LENGTH, and with the field's name as
    `messages.0.content` for one that can't be kept.
    """
    if not 1 <= len(messages) <= TURN_MAX_LENGTH:
        fault = ValidationError(f"A turn has 1 to {TURN_MAX_LENGTH} messages.", "length")
        raise ValidationError({"messages": fault})
    refused: dict[str, list[ValidationError]] = {}
    for number, said in enumerate(messages):
        try:
            _validate(Message(role=said.role, content=said.content))
        except ValidationError as error:
            refused |= {f"messages.{number}.{field}": faults for field, faults in error.error_dict.items()}
    if refused:
        raise ValidationError(refused)
    return _append(user_id, conversation_id, messages)


@transaction.atomic
def _append(user_id: str, conversation_id: int, messages: Sequence[Said]) -> list[Message]:
    conversation = _locked(user_id, conversation_id)
    # Clocks of several servers differ a little: a thread's times never run backwards.
    said_at = max(timezone.now(), conversation.updated_at + _APART)
    added = Message.objects.bulk_create(
        Message(
            conversation=conversation,
            user_id=conversation.user_id,
            role=said.role,
            content=said.content,
            created_at=said_at + number * _APART,
        )
        for number, said in enumerate(messages)
    )
    if not conversation.message_count:
        conversation.beginning = added[0].content[:BEGINNING_LENGTH]
    conversation.message_count += len(added)
    conversation.last_role = added[-1].role
    conversation.updated_at = added[-1].created_at
    conversation.save(update_fields=["beginning", "message_count", "last_role", "updated_at"])
    return added


def _locked(user_id: str, conversation_id: int) -> Conversation:
    """One conversation, which nobody else changes until the transaction ends."""
    return Conversation.objects.owned_by(user_id).select_for_update().get(pk=conversation_id)


def _validate(row: Conversation | Message | Note) -> None:
    # The write itself asks the database whether what it refers to exists and the constraints hold.
    row.full_clean(exclude={"user", "conversation", "author"}, validate_unique=False, validate_constraints=False)


# --- What staff do with everybody's -------------------------------------------------------------------------------


@transaction.atomic
def add_note(*, author_id: str, conversation_id: int, text: str) -> Note:
    """Leave a note on anybody's conversation, for other staff alone; stripped of white space around it.

    The conversation's place in the list stays. Raises Conversation.DoesNotExist.
    """
    conversation = Conversation.objects.select_for_update().get(pk=conversation_id)
    note = Note(conversation=conversation, author_id=author_id, text=text.strip())
    _validate(note)
    note.save(force_insert=True)
    conversation.note_count += 1
    conversation.save(update_fields=["note_count"])
    return note


@transaction.atomic
def redact_message(*, actor_id: str | None, message_id: int) -> Message:
    """Take out what anybody's message says, for good: REDACTED stands in its place, wherever the text was kept.

    One that was redacted before stays as it is. Its conversation's title, which was given apart from it, stays too.
    actor_id: who does it; None for a command. Raises Message.DoesNotExist.
    """
    # The conversation first, as who appends does: so of two who do it at once, the second finds it done.
    Conversation.objects.select_for_update().filter(messages=message_id).first()
    message = Message.objects.select_related("conversation").get(pk=message_id)
    if message.redacted_at is not None:
        return message
    message.content, message.redacted_at = REDACTED, timezone.now()
    message.save(update_fields=["content", "redacted_at"])
    conversation = message.conversation
    if conversation.messages.in_order().values_list("pk", flat=True).first() == message.pk:
        conversation.beginning = REDACTED[:BEGINNING_LENGTH]
        conversation.save(update_fields=["beginning"])
    record_access(
        actor_id=actor_id,
        action=ChatAccess.Action.REDACTED,
        person_id=message.user_id,
        conversation_id=conversation.pk,
        detail=f"message {message.pk}",
    )
    return message
