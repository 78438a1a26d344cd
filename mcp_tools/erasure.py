"""Calls that a service account made for others no longer name it once it is erased."""

from django.db.models import F

from mcp_tools.models import ToolCall
from todoproj.users.erasure import Trace, traces
from todoproj.users.models import User


@traces
def _calls_for_others(user: User) -> list[Trace]:
    return [Trace(ToolCall.objects.filter(principal=user.pk).exclude(principal=F("user")), {"principal": ""})]
