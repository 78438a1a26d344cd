"""Whose list a tool works on: the `user_id` rule, written once for all five."""

from dataclasses import dataclass

from todoproj.text import is_storable
from todoproj.users.models import User
from todoproj.users.principals import ActivePerson, Caller, Person, TokenOwner


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: who makes it, and the scope that it takes."""

    caller: Caller
    scope: str

    def person(self, user_id: str | None) -> Person:
        """The person that the call is for.

        Left out, it is the token's own person. Given, it must be that person exactly, unless the caller is a service
        account, which may name any active person, and must name one.

        Raises Unauthenticated, MissingScope, and User.DoesNotExist for someone else as for someone who does not exist.
        """
        if user_id is None:
            return TokenOwner(self.caller, self.scope)
        self.caller.require(self.scope)
        if not (self.caller.principal.may_act_for(user_id) and is_storable(user_id)):
            raise User.DoesNotExist
        return ActivePerson(user_id)
