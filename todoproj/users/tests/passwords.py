"""Passwords that cost the tests no time, or little."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """Django's own, but in an instant. Whatever it hashed, another process can check."""

    iterations = 1


class TenthHasher(PBKDF2PasswordHasher):
    """Django's own at a tenth of its cost: still much more than all else that a log-in takes."""

    iterations = PBKDF2PasswordHasher.iterations // 10


QUICK_HASHER = f"{__name__}.QuickHasher"
TENTH_HASHER = f"{__name__}.TenthHasher"
