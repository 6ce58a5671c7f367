// Tests a server over HTTP with a real authorization server: every step of a client without a token, and every invalid
// token. `SERVER` is the shell command that serves on `$PORT` with `$ISSUER`, `$AUDIENCE`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";

import { authorizationServer, token } from "./server.mjs";

const REVISION = "2026-07-28";
// The server fetches the keys of its issuer at most this often.
const PAUSE = 10_000;

let issuer, endpoint, server, discovered, good;

before(async () => {
  issuer = await authorizationServer();
  const port = await freePort();
  endpoint = `http://127.0.0.1:${port}/mcp`;
  const env = { ...process.env, PORT: port, ISSUER: issuer.issuer, AUDIENCE: endpoint };
  server = spawn(process.env.SERVER, { shell: true, env, detached: true, stdio: ["ignore", "inherit", "inherit"] });
  await answering(20_000);
});

after(async () => {
  if (server.exitCode === null) {
    // The shell and its children.
    process.kill(-server.pid, "SIGTERM");
    await once(server, "exit");
  }
  await issuer.close();
});

test("call without a token gets a challenge that leads to the issuer", async () => {
  const refused = await call("get_stock_price", { symbol: "AAPL" });
  assert.equal(refused.status, 401);
  const challenge = read(refused);
  assert.equal(challenge.error, undefined, "the call had no token");
  const resource = await (await fetch(challenge.resource_metadata)).json();
  assert.equal(resource.resource, endpoint);
  assert.deepEqual(resource.bearer_methods_supported, ["header"]);
  assert.deepEqual(resource.authorization_servers, [issuer.issuer]);
  const place = `${resource.authorization_servers[0]}/.well-known/oauth-authorization-server`;
  discovered = await (await fetch(place)).json();
  assert.equal(discovered.issuer, issuer.issuer);
});

test("insufficient scope gets 403 with every needed scope, and enough scope is answered", async () => {
  const little = await token(discovered, endpoint, "read:alerts");
  const refused = await call("get_stock_price", { symbol: "AAPL" }, little);
  assert.equal(refused.status, 403);
  const challenge = read(refused);
  assert.deepEqual([challenge.error, challenge.scope], ["insufficient_scope", "read:prices"]);
  assert.ok(challenge.resource_metadata.startsWith("http"));
  good = await token(discovered, endpoint, `read:alerts ${challenge.scope}`);
  for (const _ of [1, 2]) {
    await answered(good);
  }
});

test("tokens that the issuer did not sign for this server are refused", async () => {
  const [head, claims, signature] = good.split(".");
  const changed = (part, change) => {
    const value = JSON.parse(Buffer.from(part, "base64url"));
    return Buffer.from(JSON.stringify({ ...value, ...change })).toString("base64url");
  };
  const stranger = await authorizationServer();
  const its = { token_endpoint: `${stranger.issuer}/token` };
  const { kid } = JSON.parse(Buffer.from(head, "base64url"));
  issuer.lasts(-120);
  const expired = await token(discovered, endpoint, "read:prices");
  issuer.lasts(300);
  const bogus = {
    expired,
    "wrong audience": await token(discovered, "http://127.0.0.1:1/mcp", "read:prices"),
    "wrong issuer": await token(its, endpoint, "read:prices"),
    "wrong issuer under a known key's name": (await token(its, endpoint, "read:prices")).replace(
      /^[^.]*/,
      changed(head, { kid }),
    ),
    "alg none": `${changed(head, { alg: "none" })}.${claims}.`,
    "no signature": `${head}.${claims}.`,
    "other claims": `${head}.${changed(claims, { scope: "write:alerts" })}.${signature}`,
    "no token at all": "x",
  };
  await stranger.close();
  for (const [name, value] of Object.entries(bogus)) {
    const refused = await call("get_stock_price", { symbol: "AAPL" }, value);
    assert.equal(refused.status, 401, name);
    const challenge = read(refused);
    assert.equal(challenge.error, "invalid_token", name);
    assert.ok(challenge.error_description && challenge.resource_metadata, name);
    const said = JSON.stringify([...refused.headers]) + (await refused.text());
    assert.ok(!said.includes(value) || value === "x", `${name}: the token is repeated`);
  }
  await answered(good);
});

test("rotated key is fetched and the old key is refused", async () => {
  issuer.rotate("ES256");
  const newer = await token(discovered, endpoint, "read:prices");
  const until = Date.now() + 2 * PAUSE + 5_000;
  // 503 as long as the server may not ask the issuer again, then a definite answer.
  const status = async (bearer) => {
    for (;;) {
      const answer = await call("get_stock_price", { symbol: "AAPL" }, bearer);
      if (answer.status !== 503) return answer.status;
      assert.ok(Number(answer.headers.get("retry-after")) > 0 && Date.now() < until);
      await new Promise((passed) => setTimeout(passed, 250));
    }
  };
  assert.equal(await status(newer), 200);
  await answered(newer);
  assert.equal(await status(good), 401);
  good = newer;
});

test("tokens of known keys work while the issuer is down", async () => {
  const fresh = await token(discovered, endpoint, "read:prices");
  await issuer.close();
  await answered(good);
  await answered(fresh);
});

async function call(name, args, bearer) {
  const prefix = "io.modelcontextprotocol";
  const meta = {
    [`${prefix}/protocolVersion`]: REVISION,
    [`${prefix}/clientCapabilities`]: {},
    [`${prefix}/clientInfo`]: { name: "with_provider", version: "0" },
  };
  return fetch(endpoint, {
    method: "POST",
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": REVISION,
      "mcp-method": "tools/call",
      "mcp-name": name,
      ...(bearer && { authorization: `Bearer ${bearer}` }),
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: args, _meta: meta },
    }),
  });
}

async function answered(bearer) {
  const answer = await call("get_stock_price", { symbol: "AAPL" }, bearer);
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  // One message, as JSON or as the last event of a stream.
  const data = text.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
  const { result } = JSON.parse(data.filter(Boolean).at(-1) ?? text);
  assert.equal(result.structuredContent.price, 223.02);
}

// The parameters of a challenge.
function read(answer) {
  const header = answer.headers.get("www-authenticate");
  assert.match(header, /^Bearer /);
  return Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

async function answering(patience) {
  const until = Date.now() + patience;
  for (;;) {
    const there = await fetch(endpoint, { method: "POST" }).catch(() => undefined);
    if (there) return;
    assert.ok(Date.now() < until && server.exitCode === null, "the server does not answer");
    await new Promise((passed) => setTimeout(passed, 100));
  }
}
