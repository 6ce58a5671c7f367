// Tests `prices` with the TypeScript client, over each transport and under each revision, and prints a line of JSON for
// each.

import assert from "node:assert/strict";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { all } from "./checks.mjs";
import { listening, piped } from "./server.mjs";

const connect = (transport, options) => async (folder, grants, user) => {
  const capabilities = user ? { elicitation: { form: {} } } : {};
  const client = new Client({ name: "test", version: "0" }, { ...options, capabilities });
  if (user) {
    client.setRequestHandler("elicitation/create", async (request) => {
      user.question = request.params.message;
      return user.action === "accept" ? { action: "accept", content: {} } : { action: user.action };
    });
  }
  let server;
  if (transport === "stdio") {
    await client.connect(new StdioClientTransport(piped(folder, grants)));
  } else {
    server = await listening(folder, grants);
    await client.connect(new StreamableHTTPClientTransport(new URL(server.url)));
  }
  const close = async () => {
    await client.close();
    await server?.stop();
  };
  return { client, revision: client.getNegotiatedProtocolVersion(), close };
};

// A request state is valid once, and only for its own call.
async function states(client) {
  const call = (symbol, more = {}) => {
    const params = { name: "clear_alerts", arguments: { symbol }, ...more };
    // `callTool` rejects an answer without structured content, so this calls `request`.
    return client.request({ method: "tools/call", params }, { allowInputRequired: true });
  };
  const secondRound = (symbol, requestState, action) =>
    call(symbol, { requestState, inputResponses: { "io.github.candor-mcp/confirm": { action } } });
  const { requestState } = await call("MSFT");
  assert.ok(requestState);
  const other = requestState.at(-5) === "A" ? "B" : "A";
  const tampered = requestState.slice(0, -5) + other + requestState.slice(-4);
  const refusals = new Set();
  for (const [symbol, state] of [["IBM", requestState], ["MSFT", tampered], ["MSFT", requestState.slice(0, 20)], ["MSFT", "x"]]) {
    const answer = await secondRound(symbol, state, "accept");
    assert.equal(answer._meta["io.github.candor-mcp/reason"], "confirmation_state");
    refusals.add(answer.content[0].text);
  }
  assert.equal((await secondRound("MSFT", requestState, "decline"))._meta["io.github.candor-mcp/reason"], "confirmation_declined");
  const replayed = await secondRound("MSFT", requestState, "accept");
  assert.equal(replayed._meta["io.github.candor-mcp/reason"], "confirmation_state");
  assert.deepEqual([...refusals], [replayed.content[0].text]);
}

const modes = {
  default: {},
  "2025-06-18": { supportedProtocolVersions: ["2025-06-18"] },
  auto: { versionNegotiation: { mode: "auto" } },
  "2026-07-28": { versionNegotiation: { mode: { pin: "2026-07-28" } } },
};
for (const transport of (process.env.TRANSPORTS ?? "stdio http").split(" ")) {
  for (const [mode, options] of Object.entries(modes)) {
    const result = await all(transport, connect(transport, options), states);
    console.log(JSON.stringify({ client: "@modelcontextprotocol/client", transport, mode, ...result }));
  }
}
