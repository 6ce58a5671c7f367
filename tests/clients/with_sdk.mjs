// Tests `prices` with the older TypeScript SDK's client, over each transport, and prints a line of JSON for each. This
// client cannot be pinned to a revision.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { all } from "./checks.mjs";
import { listening, piped } from "./server.mjs";

const connect = (kind) => async (folder, grants, user) => {
  const capabilities = user ? { elicitation: { form: {} } } : {};
  const client = new Client({ name: "test", version: "0" }, { capabilities });
  if (user) {
    client.setRequestHandler(ElicitRequestSchema, async (request) => {
      user.question = request.params.message;
      return user.action === "accept" ? { action: "accept", content: {} } : { action: user.action };
    });
  }
  const server = kind === "http" && (await listening(folder, grants));
  const transport = server
    ? new StreamableHTTPClientTransport(new URL(server.url))
    : new StdioClientTransport(piped(folder, grants));
  // The client reports the revision only to its transport.
  let revision;
  const setProtocolVersion = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (version) => {
    revision = version;
    setProtocolVersion?.(version);
  };
  await client.connect(transport);
  const close = async () => {
    await client.close();
    await (server && server.stop());
  };
  return { client, revision, close };
};

for (const transport of (process.env.TRANSPORTS ?? "stdio http").split(" ")) {
  const result = await all(transport, connect(transport));
  console.log(JSON.stringify({ client: "@modelcontextprotocol/sdk", transport, mode: "default", ...result }));
}
