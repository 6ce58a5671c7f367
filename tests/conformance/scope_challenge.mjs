// Checks the suite's proposed scope challenge: a caller with insufficient scope gets a 403 that lists every scope that the
// call needs, and a caller with these scopes gets the result.

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
const RESULT = "This is a simple text response for testing.";

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

// Sends a call, after a handshake if the revision has one.
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
  const params = { protocolVersion: revision, capabilities: {}, clientInfo };
  const handshake = await post(url, token, { id: 0, method: "initialize", params });
  await handshake.text();
  const headers = { "mcp-protocol-version": revision, "mcp-session-id": handshake.headers.get("mcp-session-id") };
  await post(url, token, { method: "notifications/initialized" }, headers);
  return post(url, token, message, headers);
}

async function insufficientScope(url, revision) {
  const answer = await call(url, LOW, revision);
  assert.equal(answer.status, 403);
  const challenges = answer.headers.get("www-authenticate");
  assert.equal(challenges.match(/Bearer/g).length, 1, challenges);
  assert.match(challenges, /error="insufficient_scope"/);
  assert.deepEqual(challenges.match(/scope="([^"]*)"/)[1].split(" ").sort(), NEEDED);
  const { id, error } = await answer.json();
  assert.deepEqual([id, typeof error.code], ["the call", "number"]);
}

async function sufficientScope(url, revision) {
  const answer = await call(url, FULL, revision);
  assert.equal(answer.status, 200);
  const body = (await answer.text()).replace(/^data: /gm, "");
  assert.ok(body.includes(RESULT), body);
}

async function noToken(url, revision) {
  const answer = await post(url, undefined, { id: 1, method: "tools/list" }, { "mcp-protocol-version": revision });
  assert.equal(answer.status, 401);
  assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
}

export async function challenge() {
  const folder = mkdtempSync(join(tmpdir(), "conformance-"));
  const file = join(folder, "tokens.toml");
  writeFileSync(file, keys(), { mode: 0o600 });
  const server = await listening(["--tokens", file]);
  const results = {};
  for (const revision of ["2025-06-18", "2025-11-25", "2026-07-28"]) {
    const checks = { "insufficient scope": insufficientScope, "sufficient scope": sufficientScope, "no token": noToken };
    for (const [name, check] of Object.entries(checks)) {
      results[`${name}, ${revision}`] = await check(server.url, revision).then(() => undefined, (error) => error.message);
    }
  }
  await server.stop();
  rmSync(folder, { recursive: true });
  return results;
}
