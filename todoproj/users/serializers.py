"""What a client says to log in, and what it gets."""

from typing import Any

from rest_framework import serializers

from todoproj.rest import TextField

# As long as a password is hashed, so nobody can keep the server busy by a longer one.
PASSWORD_MAX_LENGTH = 1024


class PasswordField(TextField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=PASSWORD_MAX_LENGTH, trim_whitespace=False, **kwargs)


class RegisterSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)


class ConfirmSerializer(serializers.Serializer[Any]):
    token = TextField(max_length=2000, help_text="From the mail.")
    password = PasswordField()


class LoginSerializer(serializers.Serializer[Any]):
    username = TextField(max_length=254, help_text="The email address, or the username of staff.")
    password = PasswordField()


class RefreshSerializer(serializers.Serializer[Any]):
    refresh = TextField(max_length=4000, help_text="The newest refresh token.")


class ChangePasswordSerializer(serializers.Serializer[Any]):
    password = PasswordField(help_text="The present one.")
    new_password = PasswordField()


class DeleteAccountSerializer(serializers.Serializer[Any]):
    password = PasswordField()


class TokenPairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For every call: `Authorization: Bearer …`.")
    refresh = serializers.CharField(help_text="Good once, for the next pair.")
    expires_in = serializers.IntegerField(help_text="Seconds for which `access` is good.")


class AccountSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    email = serializers.CharField()
    date_joined = serializers.DateTimeField()
