"""The official Python SDK 2.x as an OAuth client, in the environment of python_sdk_2.py.

python_sdk_2_oauth.py URL person METADATA [CLIENT_ID], or python_sdk_2_oauth.py URL service ISSUER CLIENT_ID SECRET
"""

import asyncio
import sys
from typing import Any

import dialogue
import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata


def of_a_person(url: str, memory: dialogue.Memory, metadata: str, client_id: str | None = None) -> OAuthClientProvider:
    back: dict[str, str] = {}

    async def redirect(authorization_url: str) -> None:
        back.clear()
        back.update(await dialogue.visit(authorization_url))

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=back.get("code", ""), state=back.get("state"), iss=back.get("iss"))

    described = OAuthClientMetadata.model_validate_json(metadata)
    return OAuthClientProvider(url, described, memory, redirect, callback, client_metadata_url=client_id)


def of_a_service(url: str, memory: dialogue.Memory, issuer: str, client_id: str, secret: str) -> OAuthClientProvider:
    return ClientCredentialsOAuthProvider(url, memory, client_id, secret, issuer=issuer)


async def main(url: str, whose: str, *about: str) -> None:
    memory = dialogue.Memory()
    auth = {"person": of_a_person, "service": of_a_service}[whose](url, memory, *about)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=900) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):

        async def call(tool: str, **arguments: Any) -> Any:
            return (await client.call_tool(tool, arguments)).structured_content

        await dialogue.run(call, lambda: memory.tokens.access_token)


asyncio.run(main(*sys.argv[1:]))
