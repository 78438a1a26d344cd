"""The rules for people's own accounts: signing up, choosing a password, leaving.

Nobody is told whether an address belongs to somebody. So whoever gives one is told to look into their mail, and only
that says what can be done: make an account, or choose a new password for the one there is. The password is chosen by
whoever reads the mail; nobody can make an account for a stranger's address and wait there with a password.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac

from todoproj.users import events
from todoproj.users.erasure import erase_person
from todoproj.users.events import Kind
from todoproj.users.models import User, new_user_id

logger = logging.getLogger(__name__)

_SALT = "todoproj.users.accounts"

_MAIL = """Hello,

somebody, hopefully you, gave this address to {site} to {purpose}.

{how}

If it wasn't you, do nothing: nothing happens.
"""


class ConfirmationRefused(Exception):
    """The token from the mail is no good, has been used, or is too old."""


class MailFailed(Exception):
    """The mail server could not be reached, or did not take the mail."""


class TooLate(Exception):
    """The person was deactivated or cut off, or has another password, since theirs was checked."""


class StaffAccount(Exception):
    """It belongs to a member of staff, whom only another one erases."""


def request_password(*, email: str, site: str) -> None:
    """Mail a token to this address, by which whoever reads it can choose a password (`confirm`).

    site: the name of the server, for the mail. Whether there is an account already changes neither the answer nor, by
    more than chance does, the time that it takes. Raises MailFailed.
    """
    address = email.strip().lower()
    user = User.objects.with_email(address)
    token = signing.dumps({"email": address, "state": _state(user)}, salt=_SALT)
    purpose = "sign up" if user is None else "choose a new password"
    if user is not None and not user.is_active:
        purpose, how = "log in", "The account of this address is deactivated. Ask whoever runs it."
    elif settings.CONFIRM_URL:
        how = f"Open this page within a day: {settings.CONFIRM_URL.replace('{token}', token)}"
    else:
        how = f"Choose a password within a day, with this token: {token}"
    try:
        send_mail(f"Your account at {site}", _MAIL.format(site=site, purpose=purpose, how=how), None, [address])
    except OSError as error:  # as are smtplib's own
        # No more than the kind: the text can hold the address.
        logger.error("mail could not be sent: %s", type(error).__name__)
        raise MailFailed from None


def confirm(*, token: str, password: str) -> User:
    """The person whose address the token was mailed to, with this password: a new one, if there was none.

    A new password cuts off whatever was issued to the person before. Raises ConfirmationRefused, and ValidationError
    for a password that is too weak.
    """
    try:
        claims: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=settings.CONFIRM_LIFETIME)
        email, state = claims["email"], claims["state"]
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        raise ConfirmationRefused from None
    known: User | None = User.objects.with_email(email)
    user = known or User(email=email, username=new_user_id())
    if state != _state(known) or not user.is_active:
        raise ConfirmationRefused
    _choose(user, password)
    try:
        with transaction.atomic():
            if known is None:
                user.save(force_insert=True)
            elif User.objects.hold(user):
                user.save(update_fields=["password"])
            else:
                # Hashing takes its time: meanwhile they were deactivated, cut off or erased, or the token was used.
                raise ConfirmationRefused
            kind = Kind.ACCOUNT_CREATED if known is None else Kind.PASSWORD_CHANGED
            events.record(kind, user_id=user.pk, detail="by mail")
    except IntegrityError:
        # The same token, used twice at once.
        raise ConfirmationRefused from None
    return user


def change_password(*, user: User, password: str) -> None:
    """Give a person, whose password has been checked, another one: it cuts off whatever was issued to them before.

    Raises ValidationError for one that is too weak, and TooLate: else whoever knows the old password could undo that
    the person has a new one.
    """
    _choose(user, password)
    with transaction.atomic():
        if not User.objects.hold(user):
            raise TooLate
        user.save(update_fields=["password"])
        events.record(Kind.PASSWORD_CHANGED, user_id=user.pk)


def delete_account(*, user: User) -> None:
    """Delete a person at their own wish, with all that is theirs, for good. Their password has been checked.

    Raises TooLate, and StaffAccount for a member of staff: with the account, their name would go from the record of
    whose chats they read.
    """
    if user.is_staff or user.is_superuser:
        raise StaffAccount
    with transaction.atomic():
        if not User.objects.hold(user):
            raise TooLate
    erase_person(user=user, means="at their own wish")


def _state(user: User | None) -> str:
    """What changes when a token is used, so that it is good once."""
    if user is None:
        return ""
    return salted_hmac(_SALT, f"{user.pk} {user.password} {user.tokens_valid_from}", algorithm="sha256").hexdigest()


def _choose(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": error.error_list}) from None
    user.set_password(password)
