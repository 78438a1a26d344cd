"""How the secrets of OAuth clients are kept."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class ClientSecretHasher(PBKDF2PasswordHasher):
    """One round, since a secret that was made here holds hundreds of random bits: there is nothing to guess that a slow
    hash would protect, and anybody can make the server check one."""

    algorithm = "client_secret"
    iterations = 1
