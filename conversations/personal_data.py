"""A person's conversations, among their data."""

from conversations.exports import lines_of, newest_first
from conversations.models import Conversation
from todoproj.users.models import User
from todoproj.users.personal_data import Lines, fields_of, source


@source
def _conversations(user: User) -> Lines:
    for conversation, happened in newest_first(Conversation.objects.owned_by(user.pk)):
        yield fields_of(conversation, "conversation", "id", "title", "created_at", "updated_at")
        for line in lines_of(conversation, happened):
            # Whose credential it was can be a service account.
            line.pop("principal", None)
            yield line
