"""Whose list a tool works on: the `user_id` rule, written once for all five."""

from django.core.exceptions import ValidationError

from todoproj.text import is_storable
from todoproj.users.models import User
from todoproj.users.principals import Principal


def person_for(principal: Principal, user_id: str | None) -> str:
    """The id of the person that the call is for.

    Left out, it is the credential's own person. Given, it must be that person exactly, unless the caller is a service
    account, which may name any active person, and must name one.

    Raises User.DoesNotExist, for someone else as for someone who does not exist, and ValidationError for a service
    account that names nobody.
    """
    if user_id is None:
        if principal.acts_for_any_user:
            missing = ValidationError("A service account acts for many. Say for whom, such as 'demo'.", "missing")
            raise ValidationError({"user_id": missing})
        return principal.user_id
    if not principal.may_act_for(user_id):
        raise User.DoesNotExist
    # The credential's own person was found active when it was read.
    if user_id != principal.user_id and not (
        is_storable(user_id) and User.objects.active().filter(pk=user_id).exists()
    ):
        raise User.DoesNotExist
    return user_id
