// The TypeScript client against `prices`, under each revision: a line of JSON each.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const here = dirname(fileURLToPath(import.meta.url));
const ALL = "read:prices read:alerts write:alerts";
const hints = ({ readOnlyHint, destructiveHint, idempotentHint, openWorldHint }) => [
  readOnlyHint,
  destructiveHint,
  idempotentHint,
  openWorldHint,
];
const READS = [true, false, true, false];
const TOOLS = {
  clear_alerts: [false, true, true, false],
  compare: READS,
  fetch_quote: [true, false, true, true],
  get_stock_price: READS,
  list_alerts: READS,
  price_history: READS,
  set_alert: [false, false, false, false],
};

async function connected(folder, grants, options, person) {
  const { PATH, PRICES } = process.env;
  const env = { PATH, PRICES, PRICES_DATA: folder, XDG_STATE_HOME: folder, WATCH: folder, GRANTS: grants };
  const capabilities = person ? { elicitation: { form: {} } } : {};
  const client = new Client({ name: "test", version: "0" }, { ...options, capabilities });
  if (person) {
    client.setRequestHandler("elicitation/create", async (request) => {
      person.asked = request.params.message;
      return person.says === "accept" ? { action: "accept", content: {} } : { action: person.says };
    });
  }
  await client.connect(new StdioClientTransport({ command: join(here, "watched"), env }));
  return client;
}

async function refused(client, name, args) {
  let answer;
  try {
    answer = await client.callTool({ name, arguments: args });
  } catch (error) {
    return error;
  }
  assert.fail(`${name} was answered: ${JSON.stringify(answer)}`);
}

async function list(client) {
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

async function call(client) {
  const answer = await client.callTool({ name: "get_stock_price", arguments: { symbol: "AAPL" } });
  assert.deepEqual(answer.structuredContent, { symbol: "AAPL", date: "2010-03-01", price: 223.02 });
  assert.deepEqual(JSON.parse(answer.content[0].text), answer.structuredContent);
  assert.ok(!answer.isError);
}

async function badArguments(client) {
  const args = { symbol: "aapl", limit: 0, form: "x" };
  const answer = await client.callTool({ name: "price_history", arguments: args });
  assert.equal(answer.isError, true);
  assert.equal(answer.structuredContent, undefined);
  for (const says of ["`symbol` does not match", "`limit` is below", "did you mean `from`?"]) {
    assert.ok(answer.content[0].text.includes(says), answer.content[0].text);
  }
}

async function unknown(client) {
  assert.equal((await refused(client, "no_such_tool", {})).code, -32602);
}

async function alerts(client) {
  for (const price of [250, 300]) {
    const args = { symbol: "IBM", when: "above", price };
    const answer = await client.callTool({ name: "set_alert", arguments: args });
    assert.ok(!answer.isError, JSON.stringify(answer));
  }
  const listed = await client.callTool({ name: "list_alerts", arguments: {} });
  assert.deepEqual(listed.structuredContent.alerts.map((alert) => alert.price), [250, 300]);
  const cleared = await client.callTool({ name: "clear_alerts", arguments: { symbol: "IBM" } });
  assert.deepEqual(cleared.structuredContent, { symbol: "IBM", removed: 2 });
}

// What the person says is what happens.
async function confirmation(client, person) {
  await client.callTool({ name: "set_alert", arguments: { symbol: "MSFT", when: "below", price: 20 } });
  const clear = () => client.callTool({ name: "clear_alerts", arguments: { symbol: "MSFT" } });
  for (const says of ["decline", "cancel"]) {
    person.says = says;
    const answer = await clear();
    assert.deepEqual([answer.isError, answer._meta["candor/reason"]], [true, "confirmation_declined"]);
    assert.ok(person.asked.includes("`clear_alerts`") && person.asked.includes("symbol: MSFT"), person.asked);
  }
  if (client.getNegotiatedProtocolVersion() === "2026-07-28") {
    await states(client);
  }
  person.says = "accept";
  assert.deepEqual((await clear()).structuredContent, { symbol: "MSFT", removed: 1 });
}

// What comes back is believed once, and only for what was asked.
async function states(client) {
  const call = (symbol, more = {}) => {
    const params = { name: "clear_alerts", arguments: { symbol }, ...more };
    // Below `callTool`, which takes an answer without structured content for a broken one.
    return client.request({ method: "tools/call", params }, { allowInputRequired: true });
  };
  const back = (symbol, requestState, action) =>
    call(symbol, { requestState, inputResponses: { "candor/confirm": { action } } });
  const { requestState } = await call("MSFT");
  assert.ok(requestState);
  const other = requestState.at(-5) === "A" ? "B" : "A";
  const tampered = requestState.slice(0, -5) + other + requestState.slice(-4);
  const frozen = new Set();
  for (const [symbol, state] of [["IBM", requestState], ["MSFT", tampered], ["MSFT", requestState.slice(0, 20)], ["MSFT", "x"]]) {
    const answer = await back(symbol, state, "accept");
    assert.equal(answer._meta["candor/reason"], "confirmation_state");
    frozen.add(answer.content[0].text);
  }
  assert.equal((await back("MSFT", requestState, "decline"))._meta["candor/reason"], "confirmation_declined");
  const replayed = await back("MSFT", requestState, "accept");
  assert.equal(replayed._meta["candor/reason"], "confirmation_state");
  assert.deepEqual([...frozen], [replayed.content[0].text]);
}

async function scope(client) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ["compare", "fetch_quote", "get_stock_price", "price_history"]);
  const error = await refused(client, "clear_alerts", { symbol: "IBM" });
  assert.equal(error.code, -31403);
  assert.deepEqual(error.data.missingScopes, ["write:alerts"]);
}

// Every process ended by itself, and wrote nothing but messages. Before it settles on a revision this client may ask
// in a process of its own, which it then ends with a signal: that one has said one thing, and has no code.
function end(folder) {
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
      assert.ok(messages.length <= 1 && messages[0]?.result?.supportedVersions);
    }
  }
}

async function one(options) {
  const checks = {};
  const check = async (name, work) => {
    try {
      await work();
      checks[name] = "ok";
    } catch (error) {
      checks[name] = String(error.stack ?? error);
    }
  };
  const folder = mkdtempSync(join(tmpdir(), "clients-"));
  const person = { says: "accept" };
  const client = await connected(folder, ALL, options, person);
  const revision = client.getNegotiatedProtocolVersion();
  const works = { list, call, arguments: badArguments, unknown, alerts };
  for (const [name, work] of Object.entries(works)) {
    await check(name, () => work(client));
  }
  await check("confirm", () => confirmation(client, person));
  await client.close();
  await check("end", () => end(folder));
  const less = await connected(folder, "read:prices", options);
  await check("scope", () => scope(less));
  await check("alone", async () => {
    const alone = await connected(folder, ALL, options);
    const answer = await alone.callTool({ name: "clear_alerts", arguments: { symbol: "IBM" } });
    await alone.close();
    assert.equal(answer._meta["candor/reason"], "confirmation_unavailable");
  });
  await less.close();
  rmSync(folder, { recursive: true });
  return { revision, checks };
}

const modes = {
  default: {},
  "2025-06-18": { supportedProtocolVersions: ["2025-06-18"] },
  auto: { versionNegotiation: { mode: "auto" } },
  "2026-07-28": { versionNegotiation: { mode: { pin: "2026-07-28" } } },
};
for (const [mode, options] of Object.entries(modes)) {
  console.log(JSON.stringify({ client: "typescript client 2.4", mode, ...(await one(options)) }));
}
