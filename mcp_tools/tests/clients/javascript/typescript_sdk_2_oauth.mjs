// The official TypeScript SDK 2.x as an OAuth client; see oauth.mjs.

import {
  Client,
  ClientCredentialsProvider,
  StreamableHTTPClientTransport as Transport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";

import { run } from "./oauth.mjs";

const finish = (transport, back) => transport.finishAuth(back);
const options = { versionNegotiation: { mode: "auto" } };
await run({ Client, ClientCredentialsProvider, Transport, UnauthorizedError, finish, options });
