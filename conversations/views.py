"""The REST API for a person's own conversations."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from conversations import services
from conversations.models import Conversation
from conversations.serializers import (
    AddMessageSerializer,
    AddTurnSerializer,
    ConversationSerializer,
    ListConversationsSerializer,
    ListMessagesSerializer,
    MessageSerializer,
    RenameConversationSerializer,
    StartConversationSerializer,
    TurnSerializer,
)
from todoproj.idempotency.decorators import idempotent
from todoproj.rest import KeysetPagination, given
from todoproj.users.authentication import user_id_of
from todoproj.users.models import Scope


def _conversation(request: Request, ids: Sequence[int]) -> Any:
    conversation = services.get_conversation(user_id=user_id_of(request), conversation_id=ids[0])
    return ConversationSerializer(conversation).data


def _message(request: Request, ids: Sequence[int]) -> Any:
    [message] = services.get_messages(user_id=user_id_of(request), message_ids=ids)
    return MessageSerializer(message).data


def _turn(request: Request, ids: Sequence[int]) -> Any:
    messages = services.get_messages(user_id=user_id_of(request), message_ids=ids)
    return TurnSerializer({"messages": messages}).data


class ConversationViewSet(GenericViewSet[Any]):
    """The conversations of the person that the token belongs to."""

    queryset = Conversation.objects.none()  # for the OpenAPI document; the services find the rows
    serializer_class = ConversationSerializer
    pagination_class = KeysetPagination
    lookup_value_converter = "int"
    read_scope, write_scope = Scope.CHATS_READ, Scope.CHATS_WRITE

    @extend_schema(parameters=[ListConversationsSerializer], responses=ConversationSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List conversations, the newest activity first, or search them."""
        wanted = given(ListConversationsSerializer, request.query_params.dict())
        found: Any = partial(services.list_conversations, user_id=user_id_of(request), search=wanted["search"])
        return self.get_paginated_response(ConversationSerializer(self.paginate_queryset(found), many=True).data)

    @extend_schema(request=StartConversationSerializer, responses={201: ConversationSerializer})
    @idempotent(_conversation)
    def create(self, request: Request) -> Response:
        """Start a conversation."""
        wanted = given(StartConversationSerializer, request.data)
        started = services.start_conversation(user_id=user_id_of(request), **wanted)
        return Response(ConversationSerializer(started).data, status=status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: int) -> Response:
        """One conversation, without its messages."""
        return Response(_conversation(request, [pk]))

    @extend_schema(request=RenameConversationSerializer)
    @idempotent(_conversation)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename a conversation. Its place in the list stays."""
        wanted = given(RenameConversationSerializer, request.data)
        renamed = services.rename_conversation(user_id=user_id_of(request), conversation_id=pk, **wanted)
        return Response(ConversationSerializer(renamed).data)

    @extend_schema(responses={204: None})
    @idempotent()
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a conversation with its messages, for good."""
        services.delete_conversation(user_id=user_id_of(request), conversation_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(parameters=[ListMessagesSerializer], responses=MessageSerializer(many=True))
    @action(detail=True, methods=["get"])
    def messages(self, request: Request, pk: int) -> Response:
        """List the messages of a conversation, in the order in which they were said."""
        wanted = given(ListMessagesSerializer, request.query_params.dict())
        found: Any = partial(
            services.list_messages,
            user_id=user_id_of(request),
            conversation_id=pk,
            newest_first=wanted["order"] == "newest",
        )
        return self.get_paginated_response(MessageSerializer(self.paginate_queryset(found), many=True).data)

    @extend_schema(request=AddMessageSerializer, responses={201: MessageSerializer})
    @idempotent(_message)
    @messages.mapping.post
    def add_message(self, request: Request, pk: int) -> Response:
        """Append a message to a conversation."""
        said = given(AddMessageSerializer, request.data)
        message = services.add_message(user_id=user_id_of(request), conversation_id=pk, **said)
        return Response(MessageSerializer(message).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=AddTurnSerializer, responses={201: TurnSerializer})
    @idempotent(_turn)
    @action(detail=True, methods=["post"])
    def turns(self, request: Request, pk: int) -> Response:
        """Append several messages to a conversation, one right after the other: all of them, or none."""
        said = [services.Said(**message) for message in given(AddTurnSerializer, request.data)["messages"]]
        messages = services.add_turn(user_id=user_id_of(request), conversation_id=pk, messages=said)
        return Response(TurnSerializer({"messages": messages}).data, status=status.HTTP_201_CREATED)
