"""The REST API against its own OpenAPI document, with requests made up from that (schemathesis)."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.test.client import ClientHandler
from schemathesis.specs.openapi.checks import positive_data_acceptance

from conftest import fuzzed
from conversations.tests.factories import ConversationFactory
from tasks.tests.factories import TaskFactory
from todoproj.idempotency.models import IdempotencyKey
from todoproj.users.models import User
from todoproj.users.services import issue_token

pytestmark = pytest.mark.django_db


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Django as WSGI, on the connection that the test's transaction is on."""
    response: Any = ClientHandler(enforce_csrf_checks=False)(environ)
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [response.content]


# The test brings the token itself.
config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application, config=config)


@pytest.fixture
def token(ann: User) -> str:
    return issue_token(user_id=ann.pk)[1]


@schema.parametrize()
@fuzzed
def test_it_does_what_its_document_says(case: schemathesis.Case[Any], ann: User, token: str) -> None:
    if case.path_parameters.get("id") == 1:
        # Hardly any made-up id is one of a row; this one is tried often.
        row = TaskFactory if case.operation.path.startswith("/api/tasks/") else ConversationFactory
        case.path_parameters["id"] = row.create(user=ann).pk
    # A made-up key is often one that was made up before, for another request.
    IdempotencyKey.objects.all().delete()
    # Which texts are cursors, tokens or strong passwords, no schema can say.
    unsayable = "cursor" in case.query or case.operation.path.startswith("/api/auth/")
    excluded: list[Any] = [positive_data_acceptance] if unsayable else []
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=excluded)
