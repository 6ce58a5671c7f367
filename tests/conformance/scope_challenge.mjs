// The suite's open proposal of a scope challenge → what of it does not hold: a caller with too little scope gets one 403
// that names all that the call needs, and one with enough is answered.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { listening } from "./server.mjs";

const BASELINE = "mcp:conformance:baseline";
const NEEDED = ["mcp:conformance:tools:call", "mcp:conformance:tools:test_simple_text"];
const LOW = "mcp-conformance-scope-low";
const FULL = "mcp-conformance-scope-full";
const SAYS = "This is a simple text response for testing.";

function keys() {
  const entry = (key, scopes) => `[[token]]
subject = "${key}"
scopes = ${JSON.stringify(scopes)}
sha256 = "${createHash("sha256").update(key).digest("hex")}"
`;
  return entry(LOW, [BASELINE]) + entry(FULL, [BASELINE, ...NEEDED]);
}

function post(url, token, message, headers = {}) {
  return fetch(url, {
    method: "POST",
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", ...message }),
  });
}

// A call under a revision with a handshake, or without.
async function call(url, token, revision) {
  const message = { id: "the call", method: "tools/call", params: { name: "test_simple_text", arguments: {} } };
  if (revision === "2026-07-28") {
    message.params._meta = {
      "io.modelcontextprotocol/protocolVersion": revision,
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const headers = { "mcp-protocol-version": revision, "mcp-method": message.method, "mcp-name": message.params.name };
    return post(url, token, message, headers);
  }
  const clientInfo = { name: "test", version: "0" };
  const hello = { protocolVersion: revision, capabilities: {}, clientInfo };
  const shaken = await post(url, token, { id: 0, method: "initialize", params: hello });
  await shaken.text();
  const headers = { "mcp-protocol-version": revision, "mcp-session-id": shaken.headers.get("mcp-session-id") };
  await post(url, token, { method: "notifications/initialized" }, headers);
  return post(url, token, message, headers);
}

async function tooLittle(url, revision) {
  const answer = await call(url, LOW, revision);
  assert.equal(answer.status, 403);
  const challenges = answer.headers.get("www-authenticate");
  assert.equal(challenges.match(/Bearer/g).length, 1, challenges);
  assert.match(challenges, /error="insufficient_scope"/);
  assert.deepEqual(challenges.match(/scope="([^"]*)"/)[1].split(" ").sort(), NEEDED);
  const { id, error } = await answer.json();
  assert.deepEqual([id, typeof error.code], ["the call", "number"]);
}

async function enough(url, revision) {
  const answer = await call(url, FULL, revision);
  assert.equal(answer.status, 200);
  const said = (await answer.text()).replace(/^data: /gm, "");
  assert.ok(said.includes(SAYS), said);
}

async function nobody(url, revision) {
  const answer = await post(url, undefined, { id: 1, method: "tools/list" }, { "mcp-protocol-version": revision });
  assert.equal(answer.status, 401);
  assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
}

export async function challenge() {
  const folder = mkdtempSync(join(tmpdir(), "conformance-"));
  const file = join(folder, "tokens.toml");
  writeFileSync(file, keys(), { mode: 0o600 });
  const server = await listening(["--tokens", file]);
  const said = {};
  for (const revision of ["2025-06-18", "2025-11-25", "2026-07-28"]) {
    for (const [what, check] of Object.entries({ "too little scope": tooLittle, "enough scope": enough, "no token": nobody })) {
      said[`${what}, ${revision}`] = await check(server.url, revision).then(() => undefined, (error) => error.message);
    }
  }
  await server.stop();
  rmSync(folder, { recursive: true });
  return said;
}
