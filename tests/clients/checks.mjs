// The checks that every JavaScript client makes of the server `prices`. The clients differ in how they connect; the server
// must behave the same for all of them.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ALL = "read:prices read:alerts write:alerts";
export const READS = "read:prices";
const hints = ({ readOnlyHint, destructiveHint, idempotentHint, openWorldHint }) => [
  readOnlyHint,
  destructiveHint,
  idempotentHint,
  openWorldHint,
];
const READ = [true, false, true, false];
const TOOLS = {
  clear_alerts: [false, true, true, false],
  compare: READ,
  fetch_quote: [true, false, true, true],
  get_stock_price: READ,
  list_alerts: READ,
  price_history: READ,
  set_alert: [false, false, false, false],
};

async function refusal(client, name, args) {
  let answer;
  try {
    answer = await client.callTool({ name, arguments: args });
  } catch (error) {
    return error;
  }
  assert.fail(`${name} was answered: ${JSON.stringify(answer)}`);
}

export async function list(client) {
  const { tools } = await client.listTools();
  assert.deepEqual(Object.fromEntries(tools.map((tool) => [tool.name, hints(tool.annotations)])), TOOLS);
  assert.deepEqual(tools.map((tool) => tool.name), Object.keys(TOOLS));
  for (const tool of tools) {
    assert.ok(tool.title && tool.description);
    assert.deepEqual([tool.inputSchema.type, tool.inputSchema.additionalProperties], ["object", false]);
    assert.equal(tool.outputSchema.type, "object");
  }
  const price = tools.find((tool) => tool.name === "get_stock_price");
  assert.equal(price.inputSchema.properties.symbol.pattern, "^[A-Z]{1,5}$");
}

export async function call(client) {
  const answer = await client.callTool({ name: "get_stock_price", arguments: { symbol: "AAPL" } });
  assert.deepEqual(answer.structuredContent, { symbol: "AAPL", date: "2010-03-01", price: 223.02 });
  assert.deepEqual(JSON.parse(answer.content[0].text), answer.structuredContent);
  assert.ok(!answer.isError);
}

export async function badArguments(client) {
  const args = { symbol: "aapl", limit: 0, form: "x" };
  const answer = await client.callTool({ name: "price_history", arguments: args });
  assert.equal(answer.isError, true);
  assert.equal(answer.structuredContent, undefined);
  for (const fault of ["`symbol` does not match", "`limit` is below", "did you mean `from`?"]) {
    assert.ok(answer.content[0].text.includes(fault), answer.content[0].text);
  }
}

export async function unknown(client) {
  assert.equal((await refusal(client, "no_such_tool", {})).code, -32602);
}

export async function alerts(client) {
  for (const price of [250, 300]) {
    const args = { symbol: "IBM", when: "above", price };
    const answer = await client.callTool({ name: "set_alert", arguments: args });
    assert.ok(!answer.isError, JSON.stringify(answer));
  }
  const listed = await client.callTool({ name: "list_alerts", arguments: {} });
  assert.deepEqual(listed.structuredContent.alerts.map((alert) => alert.price), [250, 300]);
}

async function cleared(client, symbol, removed) {
  const answer = await client.callTool({ name: "clear_alerts", arguments: { symbol } });
  assert.deepEqual(answer.structuredContent, { symbol, removed });
}

// The user's action decides. `states` checks the request states of clients that can send them.
export async function confirmation(client, user, states) {
  user.action = "accept";
  await cleared(client, "IBM", 2);
  await client.callTool({ name: "set_alert", arguments: { symbol: "MSFT", when: "below", price: 20 } });
  for (const action of ["decline", "cancel"]) {
    user.action = action;
    const answer = await client.callTool({ name: "clear_alerts", arguments: { symbol: "MSFT" } });
    assert.deepEqual([answer.isError, answer._meta["io.github.candor-mcp/reason"]], [true, "confirmation_declined"]);
    assert.ok(user.question.includes("`clear_alerts`") && user.question.includes('- `symbol`: `"MSFT"`'), user.question);
  }
  await states?.(client);
  user.action = "accept";
  await cleared(client, "MSFT", 1);
}

// A client that cannot ask a user.
export async function alone(client) {
  const answer = await client.callTool({ name: "clear_alerts", arguments: { symbol: "IBM" } });
  assert.equal(answer._meta["io.github.candor-mcp/reason"], "confirmation_unavailable");
}

// Over stdio a refusal is a JSON-RPC error. Over HTTP it is a status, which each client wraps in its own error, with the
// body in it.
export async function scope(client, transport) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ["compare", "fetch_quote", "get_stock_price", "price_history"]);
  const error = await refusal(client, "clear_alerts", { symbol: "IBM" });
  if (transport === "stdio") {
    assert.equal(error.code, -31403);
    assert.deepEqual(error.data.missingScopes, ["write:alerts"]);
  } else {
    const text = [error.message, JSON.stringify(error)].join("\n");
    assert.ok(/403|insufficient_scope/.test(text) && text.includes("write:alerts"), text);
  }
}

// Every process ended by itself, and wrote only messages on stdout. A client may first probe the server's revisions in a
// separate process, which it ends with a signal: that process wrote at most one message, and has no exit code.
export function end(folder, mayProbe = true) {
  const read = (name) => readFileSync(join(folder, name), "utf8");
  const names = readdirSync(folder);
  assert.ok(names.some((name) => name.endsWith(".code")));
  for (const name of names.filter((name) => name.endsWith(".stdout"))) {
    const messages = read(name).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    assert.ok(messages.every((message) => message.jsonrpc === "2.0"));
    const code = name.replace(".stdout", ".code");
    if (names.includes(code)) {
      assert.equal(read(code).trim(), "0");
    } else {
      assert.ok(mayProbe && messages.length <= 1 && messages[0]?.result?.supportedVersions);
    }
  }
}

// Collects the result of each check: `ok` or the error.
export function checklist() {
  const checks = {};
  const check = async (name, run) => {
    try {
      await run();
      checks[name] = "ok";
    } catch (error) {
      checks[name] = String(error.stack ?? error);
    }
  };
  return { checks, check };
}

// Runs all checks on a client. `connect(folder, grants, user)` must return `{ client, revision, close }`.
export async function all(transport, connect, states) {
  const { checks, check } = checklist();
  const folder = mkdtempSync(join(tmpdir(), "clients-"));
  let revision = null;
  const user = { action: "accept" };
  await check("connect", async () => {
    const { client, revision: negotiated, close } = await connect(folder, ALL, user);
    revision = negotiated;
    for (const [name, run] of Object.entries({ list, call, arguments: badArguments, unknown, alerts })) {
      await check(name, () => run(client));
    }
    await check("confirm", () => confirmation(client, user, revision === "2026-07-28" ? states : undefined));
    await close();
    await check("end", () => end(folder));
  });
  await check("scope", async () => {
    const { client, close } = await connect(folder, READS);
    await scope(client, transport);
    await close();
  });
  await check("alone", async () => {
    const { client, close } = await connect(folder, ALL);
    await alone(client);
    await close();
  });
  rmSync(folder, { recursive: true });
  return { revision, checks };
}
