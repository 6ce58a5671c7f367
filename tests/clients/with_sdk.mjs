// The older TypeScript SDK's client against `prices`, over each transport: a line of JSON each. It cannot be pinned.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { all } from "./checks.mjs";
import { listening, piped } from "./server.mjs";

const connect = (kind) => async (folder, grants, person) => {
  const capabilities = person ? { elicitation: { form: {} } } : {};
  const client = new Client({ name: "test", version: "0" }, { capabilities });
  if (person) {
    client.setRequestHandler(ElicitRequestSchema, async (request) => {
      person.asked = request.params.message;
      return person.says === "accept" ? { action: "accept", content: {} } : { action: person.says };
    });
  }
  const server = kind === "http" && (await listening(folder, grants));
  const transport = server
    ? new StreamableHTTPClientTransport(new URL(server.url))
    : new StdioClientTransport(piped(folder, grants));
  // It tells nobody but its transport.
  let revision;
  const tell = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    revision = version;
    tell?.(version);
  };
  await client.connect(transport);
  const close = async () => {
    await client.close();
    await (server && server.stop());
  };
  return { client, revision, close };
};

for (const transport of (process.env.TRANSPORTS ?? "stdio http").split(" ")) {
  const came = await all(transport, connect(transport));
  console.log(JSON.stringify({ client: "@modelcontextprotocol/sdk", transport, mode: "default", ...came }));
}
