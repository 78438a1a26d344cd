// The official TypeScript SDK 1.x: typescript_sdk_1.mjs http URL TOKEN, or typescript_sdk_1.mjs stdio COMMAND ARGUMENT...

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { run, transportOf } from "./scenario.mjs";

const transport = transportOf(StreamableHTTPClientTransport, StdioClientTransport, process.argv.slice(2));
let revision;
const setProtocolVersion = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
  revision = version;
  setProtocolVersion?.(version);
};
const client = new Client({ name: "typescript-sdk-1", version: "1" });
await client.connect(transport);
await client.ping();
await run(client);
console.log(`passed in ${revision}`);
await client.close();
