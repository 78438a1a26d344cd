// What the OAuth clients of both TypeScript SDKs share, whose providers have the same methods. It talks with the test
// that started it as dialogue.py does.

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(question) {
  console.log(JSON.stringify(question));
  const { value, done } = await lines.next();
  return done ? null : JSON.parse(value);
}

/** A client of a person's. What it is given, it keeps for as long as the program runs. */
class Provider {
  #kept = {};
  constructor(metadata, clientId) {
    this.clientMetadata = metadata;
    this.clientMetadataUrl = clientId;
    [this.redirectUrl] = metadata.redirect_uris;
  }
  state = () => (this.#kept.state = randomUUID());
  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => (this.#kept.tokens = tokens);
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => (this.#kept.verifier = verifier);
  discoveryState = () => this.#kept.discovery;
  saveDiscoveryState = (discovery) => (this.#kept.discovery = discovery);
  invalidateCredentials(what) {
    if (what === "all" || what === "tokens") delete this.#kept.tokens;
    if (what === "all" || what === "client") delete this.#kept.client;
  }
  async redirectToAuthorization(url) {
    this.back = new URL((await ask({ visit: url })).back).searchParams;
    if (this.back.get("state") !== this.#kept.state) throw new Error("another state came back");
  }
}

const providers = {
  person: (sdk, metadata, clientId) => new Provider(JSON.parse(metadata), clientId),
  service: (sdk, expectedIssuer, clientId, clientSecret) =>
    new sdk.ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer }),
};

/**
 * Be what the command line says: URL person METADATA [CLIENT_ID], or URL service ISSUER CLIENT_ID SECRET.
 *
 * sdk: { Client, Transport, ClientCredentialsProvider, UnauthorizedError, options, finish(transport, back) }.
 */
export async function run(sdk) {
  const [url, whose, ...about] = process.argv.slice(2);
  const provider = providers[whose](sdk, ...about);

  // By this error the SDK says that it sent the person away, and that it is to be told what they bring back.
  const goOn = async (error, transport) => {
    const { back } = provider;
    if (!(error instanceof sdk.UnauthorizedError) || !back) throw error;
    delete provider.back;
    await sdk.finish(transport, back);
  };
  const connect = async () => {
    const client = new sdk.Client({ name: "oauth", version: "1" }, sdk.options);
    const transport = new sdk.Transport(new URL(url), { authProvider: provider });
    try {
      await client.connect(transport);
    } catch (error) {
      await goOn(error, transport);
      return connect();
    }
    return { client, transport };
  };

  const { client, transport } = await connect();
  let result;
  for (;;) {
    const reply = result?.structuredContent ?? null;
    const wanted = await ask({ reply, token: provider.tokens().access_token });
    if (!wanted) break;
    passTime(wanted.seconds);
    const call = () => client.callTool({ name: wanted.tool, arguments: wanted.arguments });
    result = await call().catch((error) => goOn(error, transport).then(call));
  }
  await client.close();
}

/** Set the clock of this program forward. */
function passTime(seconds) {
  const now = Date.now;
  Date.now = () => now() + seconds * 1000;
}
