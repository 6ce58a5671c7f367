// Tests `prices` with the MCP Inspector's command line, over each transport and in each era, and prints a line of JSON for
// each. Each command opens a connection. The Inspector cannot ask a user.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import * as checks from "./checks.mjs";
import { listening, piped } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));

async function inspect(args, env) {
  const command = [join(here, "node_modules/.bin/mcp-inspector"), "--cli", "--quiet", ...args];
  const child = spawn(process.execPath, command, { env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(stderr || stdout);
  }
}

// A client with the methods that the checks call.
function client(era, target, env) {
  const run = (method, ...more) => inspect(["--protocol-era", era, "--method", method, ...more, ...target], env);
  return {
    listTools: () => run("tools/list"),
    callTool: ({ name, arguments: args }) =>
      run("tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args)),
  };
}

// Starts a proxy in front of `url` that collects the revision of each request.
async function startProxy(url) {
  const versions = new Set();
  const server = createServer((request, response) => {
    const version = request.headers["mcp-protocol-version"];
    if (version) {
      versions.add(version);
    }
    const { host, ...headers } = request.headers;
    const upstream = forward(url, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const stop = () => (server.closeAllConnections(), server.close());
  return { url: `http://127.0.0.1:${server.address().port}/mcp`, versions, stop };
}

// The revision that the servers of this folder negotiated with their client.
function negotiated(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".stdout"));
  const lines = names.flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").filter(Boolean));
  const results = lines.map((line) => JSON.parse(line).result ?? {});
  const handshake = results.find((result) => result.protocolVersion);
  const modern = results.some((result) => result._meta?.["io.modelcontextprotocol/serverInfo"]);
  return handshake?.protocolVersion ?? (modern ? "2026-07-28" : null);
}

// The command line prints the text of an error, and not its code.
const assertRejects = (pattern) => (call) => assert.rejects(call, pattern);

async function one(transport, era) {
  const folder = mkdtempSync(join(tmpdir(), "clients-"));
  const { checks: results, check } = checks.checklist();
  let revision = null;
  const inspectorEnv = { HOME: folder, MCP_CATALOG_PATH: join(folder, "catalog"), PATH: process.env.PATH };
  const connect = async (grants) => {
    if (transport === "stdio") {
      const { command, env } = piped(folder, grants);
      const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
      return { client: client(era, [...variables, "--", command], inspectorEnv), close: async () => {} };
    }
    const server = await listening(folder, grants);
    const proxy = await startProxy(server.url);
    const close = async () => {
      proxy.stop();
      await server.stop();
      revision ??= [...proxy.versions].join(" and ");
    };
    return { client: client(era, ["--server-url", proxy.url], inspectorEnv), close };
  };
  await check("connect", async () => {
    const { client, close } = await connect(checks.ALL);
    const { list, call, badArguments, alerts, alone } = checks;
    for (const [name, run] of Object.entries({ list, call, arguments: badArguments, alerts, alone })) {
      await check(name, () => run(client));
    }
    await check("unknown", () => assertRejects(/no_such_tool|Unknown tool|-32602/)(client.callTool({ name: "no_such_tool", arguments: {} })));
    await close();
    revision ??= negotiated(folder);
    await check("end", () => checks.end(folder));
  });
  await check("scope", async () => {
    const { client, close } = await connect(checks.READS);
    const { tools } = await client.listTools();
    assert.ok(!tools.some((tool) => tool.name === "clear_alerts"));
    await assertRejects(/clear_alerts|write:alerts/)(client.callTool({ name: "clear_alerts", arguments: { symbol: "IBM" } }));
    await close();
  });
  results.confirm = "cannot ask";
  rmSync(folder, { recursive: true });
  return { revision, checks: results };
}

for (const transport of (process.env.TRANSPORTS ?? "stdio http").split(" ")) {
  for (const era of ["legacy", "auto", "modern"]) {
    const result = await one(transport, era);
    console.log(JSON.stringify({ client: "@modelcontextprotocol/inspector", transport, mode: era, ...result }));
  }
}
