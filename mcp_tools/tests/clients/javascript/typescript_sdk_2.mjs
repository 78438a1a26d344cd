// The official TypeScript SDK 2.x: typescript_sdk_2.mjs MODE http URL TOKEN, or typescript_sdk_2.mjs MODE stdio COMMAND
// ARGUMENT... (MODE: auto, legacy, or the one revision to speak)

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { run, transportOf } from "./scenario.mjs";

const [mode, ...reached] = process.argv.slice(2);
const client = new Client(
  { name: "typescript-sdk-2", version: "1" },
  { versionNegotiation: { mode: ["auto", "legacy"].includes(mode) ? mode : { pin: mode } } },
);
await client.connect(transportOf(StreamableHTTPClientTransport, StdioClientTransport, reached));
await run(client);
console.log(`passed in ${client.getNegotiatedProtocolVersion()}`);
await client.close();
