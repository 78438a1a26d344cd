"""Whose list a tool works on: the `user_id` rule, written once for all five."""

import msgspec

from mcp_tools.recording import Record, RecordedPerson
from todoproj.users.principals import Caller, Person


def charge(caller: Caller, *, user_id: object) -> None:
    """Count a call, before anything is done for it. user_id: the argument, whatever was sent.

    Raises Throttled, and Unauthenticated if that has come out by now.
    """
    if user_id is not None or caller.on_behalf_of is not None:
        # Whoever acts for many has a limit of their own, which is known once they are.
        caller.authenticate()
    caller.charge()


class Call(msgspec.Struct, frozen=True):
    """One call of a tool: who makes it, the scope that it takes, and what to write down of it, if that is wanted."""

    caller: Caller
    scope: str
    record: Record | None = None

    def person(self, user_id: str | None) -> Person:
        """The person that the call is for.

        Left out, it is the person that the On-Behalf-Of header names, or else the caller's own. Given, it must be that
        person exactly, unless the caller is a service account that sent no such header: it may name any active person,
        and must name one.

        Raises Unauthenticated, MissingScope, and User.DoesNotExist for someone else as for someone who does not exist.
        """
        person = self._person(user_id)
        return person if self.record is None else RecordedPerson(person, self.record)

    def _person(self, user_id: str | None) -> Person:
        if user_id is None:
            user_id = self.caller.on_behalf_of
        if user_id is None:
            return self.caller.person(self.scope)
        self.caller.require(self.scope)
        return self.caller.principal.person_named(user_id)
