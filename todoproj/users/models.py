"""People, and the personal tokens that act for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import uuid4

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as BaseUserManager
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from todoproj.indexes import Index
from todoproj.text import validate_storable


def new_user_id() -> str:
    """A random id (UUID 4) for a person who brings none from another system."""
    return str(uuid4())


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> UserQuerySet:
        """People who have access."""
        return self.filter(is_active=True)

    def with_email(self, address: str) -> User | None:
        """Whose address this is, in any case; nobody's is the empty one."""
        known = self.annotate(address=Lower("email")).filter(address=address.lower())
        return known.exclude(email="").first()

    def lock(self, user_id: str) -> User | None:
        """The person, whom nothing else changes until the transaction ends."""
        return self.select_for_update(no_key=True).filter(pk=user_id).first()

    def hold(self, user: User) -> bool:
        """Lock the person, to issue something in the same transaction. False if they were deactivated or cut off since
        they were read: then what they proved by then counts no more."""
        now = self.lock(user.pk)
        return now is not None and now.is_active and now.tokens_valid_from == user.tokens_valid_from


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]  # made at run time
    pass


class User(AbstractUser):
    """A person with a todo list, a member of staff, or the service account of a chat backend.

    The id is text, since people can come from another system that has named them already. It is compared exactly:
    `Ann` and `ann` are two people.
    """

    id = models.CharField(
        primary_key=True,
        max_length=255,
        default=new_user_id,
        validators=[
            validate_storable,
            RegexValidator(r"^\S(.*\S)?\Z", "An id neither starts nor ends with white space."),
        ],
        help_text="From the system that the person comes from, or random. It can't be changed later.",
    )

    tokens_valid_from = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Whatever was issued before is refused: tokens of every kind, and browsers that are logged in.",
    )

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.CheckConstraint(condition=~models.Q(id=""), name="ck_users_id_not_empty"),
            # Someone known by id alone has no address, so the empty one may repeat.
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="uq_users_email",
                violation_error_message="Someone with this email address exists already.",
            ),
        ]
        permissions = [
            ("act_for_any_user", "May act for any active user (the service account of a chat backend)"),
            ("erase_person", "Can erase people with all that is theirs"),
        ]

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        # Django's own mark of a new password: not there when the same one is only hashed anew.
        new_password = self._password is not None and not self._state.adding  # type: ignore[attr-defined]
        if new_password and update_fields is not None:
            update_fields = {*update_fields, "tokens_valid_from"}
        with transaction.atomic():
            if new_password:
                # Locked before the time is taken: whatever is issued meanwhile is from before that time.
                User.objects.lock(self.pk)
                self.tokens_valid_from = timezone.now()
            super().save(*args, update_fields=update_fields, **kwargs)

    def check_password(self, raw_password: str | None) -> bool:
        """Whether that is the password. An old hash of it is replaced, unless the person has another password by then:
        Django would undo that."""
        checked = self.password

        def hash_anew(raw_password: str) -> None:
            self.password = make_password(raw_password)
            User.objects.filter(pk=self.pk, password=checked).update(password=self.password)

        return check_password(raw_password, checked, hash_anew)

    def set_unusable_password(self) -> None:
        super().set_unusable_password()
        self.tokens_valid_from = timezone.now()

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # As in AbstractBaseUser, which ends sessions when the password changes.
        key_salt = "todoproj.users.models.User._get_session_auth_hash"
        value = f"{self.password} {self.tokens_valid_from and self.tokens_valid_from.isoformat()}"
        return salted_hmac(key_salt, value, secret=secret, algorithm="sha256").hexdigest()

    def issued_in_time(self, issued_at: dt.datetime) -> bool:
        """Whether something issued to this person at that time has not been cut off since."""
        return self.tokens_valid_from is None or issued_at >= self.tokens_valid_from


class Scope(models.TextChoices):
    """What a token allows, as OAuth 2.0 scopes (RFC 6749 section 3.3)."""

    TASKS_READ = "tasks:read", "Read tasks"
    TASKS_WRITE = "tasks:write", "Add, complete, change and delete tasks"
    CHATS_READ = "chats:read", "Read conversations"
    CHATS_WRITE = "chats:write", "Start, continue, rename and delete conversations"


# Those that something at /mcp needs.
MCP_SCOPES = (Scope.TASKS_READ, Scope.TASKS_WRITE)
# Those by which conversations are read or changed.
CHAT_SCOPES = (Scope.CHATS_READ, Scope.CHATS_WRITE)


class PersonalTokenQuerySet(models.QuerySet["PersonalToken"]):
    def usable(self) -> PersonalTokenQuerySet:
        """Neither revoked, expired nor cut off, and of a person who has access."""
        return self.filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now()),
            models.Q(user__tokens_valid_from=None) | models.Q(created_at__gte=models.F("user__tokens_valid_from")),
            revoked_at=None,
            user__is_active=True,
        )

    def revoke(self) -> int:
        """Revoke those that are not yet; the number of them. Each is refused from the next call on."""
        return self.filter(revoked_at=None).update(revoked_at=timezone.now())


class PersonalToken(models.Model):
    """A bearer token by which a program acts for a person.

    The token itself is shown once, when it is issued; only its SHA-256 digest is kept. A plain digest is enough, since
    a token holds 256 random bits: there is nothing to guess that a slow hash would protect.
    """

    # last_used_at is exact to this: a token in steady use costs one write in that time, not one a call.
    LAST_USED_RESOLUTION = dt.timedelta(hours=1)

    user = models.ForeignKey(
        User, models.CASCADE, related_name="personal_tokens", db_index=False, verbose_name="person"
    )
    name = models.CharField(
        max_length=100,
        blank=True,
        validators=[validate_storable],
        help_text="What or who uses it, such as “Claude on my laptop”.",
    )
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.CharField(max_length=200, help_text="Separated by spaces.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="UTC. Empty: it doesn't expire.")
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = PersonalTokenQuerySet.as_manager()

    class Meta:
        db_table = "personal_tokens"
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="uq_personal_tokens_digest"),
            models.CheckConstraint(condition=~models.Q(scopes=""), name="ck_personal_tokens_scopes_not_empty"),
        ]
        indexes = [Index(fields=["user", "-created_at"], name="idx_personal_tokens_user")]

    def __str__(self) -> str:
        return f"#{self.pk} {self.name}".strip()


class LoginQuerySet(models.QuerySet["Login"]):
    def revoke(self) -> int:
        """End those that have not ended yet; the number of them."""
        return self.filter(revoked_at=None).update(revoked_at=timezone.now())


class Login(models.Model):
    """An app that a person logged in to with their password, by the REST API.

    It holds an access token, which names this row, and a refresh token, which is good once: for the next pair. A row
    stands for the whole family of tokens that came from one login (RFC 9700 section 4.14.2).
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="logins", db_index=False, verbose_name="person")
    scopes = models.CharField(max_length=200, help_text="Separated by spaces.")
    refresh_id = models.CharField(max_length=32, editable=False, help_text="The refresh token that is good now.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    refreshed_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(help_text="UTC. Until when it can be refreshed.")
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = LoginQuerySet.as_manager()

    class Meta:
        db_table = "logins"
        indexes = [Index(fields=["user", "-created_at"], name="idx_logins_user")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class SecurityEvent(models.Model):
    """Something that happened to people's access. Rows are only ever added, by todoproj.users.events."""

    CLIENT_MAX_LENGTH = 255
    DETAIL_MAX_LENGTH = 200

    class Kind(models.TextChoices):
        LOGGED_IN = "logged_in", "Logged in"
        LOGIN_FAILED = "login_failed", "Login failed"
        LOCKED_OUT = "locked_out", "Locked out after too many failures"
        LOGGED_OUT = "logged_out", "Logged out"
        LOGGED_OUT_EVERYWHERE = "logged_out_everywhere", "Logged out everywhere"
        ACCOUNT_CREATED = "account_created", "Account created"
        ACCOUNT_DELETED = "account_deleted", "Account deleted"
        ERASURE_BEGUN = "erasure_begun", "Erasure begun"
        DATA_DOWNLOADED = "data_downloaded", "Own data downloaded"
        PASSWORD_CHANGED = "password_changed", "Password changed"
        TOKEN_ISSUED = "token_issued", "Token issued"
        TOKEN_REVOKED = "token_revoked", "Token revoked"
        TOKEN_REUSED = "token_reused", "Token or code used a second time"
        APP_CONNECTED = "app_connected", "App allowed"
        APP_DISCONNECTED = "app_disconnected", "App disconnected"
        CLIENT_REGISTERED = "client_registered", "OAuth client registered"
        CLIENT_DELETED = "client_deleted", "OAuth client deleted, with all that it held"
        PERMISSION_REFUSED = "permission_refused", "Permission refused"

    kind = models.CharField(max_length=30, choices=Kind.choices)
    user = models.ForeignKey(
        User,
        models.SET_NULL,
        null=True,
        related_name="security_events",
        db_index=False,
        verbose_name="person",
        help_text="Whom it is about.",
    )
    by = models.ForeignKey(
        User,
        models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Who was logged in to this site when it happened, such as the member of staff who did it.",
    )
    client = models.CharField(max_length=CLIENT_MAX_LENGTH, help_text="The id of the OAuth client.")
    detail = models.CharField(max_length=DETAIL_MAX_LENGTH)
    address = models.CharField(max_length=50, help_text="Where the request came from; of IPv6, the network.")
    request_id = models.CharField(max_length=64, help_text="As in the logs.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "security_events"
        indexes = [
            Index(fields=["user", "-id"], name="idx_security_events_user"),
            Index(fields=["by"], name="idx_security_events_by"),
            Index(fields=["kind", "-id"], name="idx_security_events_kind"),
            Index(fields=["created_at"], name="idx_security_events_created"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_kind_display()}"
