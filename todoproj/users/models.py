"""People, and the personal tokens that act for them."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar
from uuid import uuid4

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as BaseUserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from todoproj.indexes import Index
from todoproj.text import validate_storable


def new_user_id() -> str:
    """A random id (UUID 4) for a person who brings none from another system."""
    return str(uuid4())


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> UserQuerySet:
        """People who have access."""
        return self.filter(is_active=True)


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
        permissions = [("act_for_any_user", "May act for any active user (the service account of a chat backend)")]


class Scope(models.TextChoices):
    """What a token allows, as OAuth 2.0 scopes (RFC 6749 section 3.3)."""

    TASKS_READ = "tasks:read", "Read tasks"
    TASKS_WRITE = "tasks:write", "Add, complete, change and delete tasks"


class PersonalTokenQuerySet(models.QuerySet["PersonalToken"]):
    def usable(self) -> PersonalTokenQuerySet:
        """Neither revoked nor expired, and of a person who has access."""
        return self.filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now()),
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

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
