// The official TypeScript SDK 1.x as an OAuth client; see oauth.mjs.

import { ClientCredentialsProvider } from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { run } from "./oauth.mjs";

const finish = (transport, back) => transport.finishAuth(back.get("code"));
await run({ Client, ClientCredentialsProvider, Transport, UnauthorizedError, finish });
