"""What agents did for a person outside of any conversation, among the person's data."""

from mcp_tools.models import ToolCall
from todoproj.keyset import all_pages
from todoproj.users.models import User
from todoproj.users.personal_data import ROWS_AT_ONCE, Lines, fields_of, source


@source
def _tool_calls(user: User) -> Lines:
    for call in all_pages(ToolCall.objects.filter(user=user, conversation=None), "created_at", limit=ROWS_AT_ONCE):
        yield fields_of(
            call,
            *("tool_call", "id", "created_at", "tool", "arguments", "outcome", "error_code", "duration_ms", "task_id"),
            "client_name",
        )
