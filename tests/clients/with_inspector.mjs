// The MCP Inspector's command line against `prices`, over each transport and in each era: a line of JSON each. A command
// is a connection; nobody can be asked through it.

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

// The methods that the checks call.
function client(era, target, env) {
  const run = (method, ...more) => inspect(["--protocol-era", era, "--method", method, ...more, ...target], env);
  return {
    listTools: () => run("tools/list"),
    callTool: ({ name, arguments: args }) =>
      run("tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args)),
  };
}

// A server in front of `url` that keeps which revision each request names.
async function watching(url) {
  const versions = new Set();
  const server = createServer((request, response) => {
    const version = request.headers["mcp-protocol-version"];
    if (version) {
      versions.add(version);
    }
    const { host, ...headers } = request.headers;
    const on = forward(url, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    on.on("error", () => response.destroy());
    response.on("close", () => on.destroy());
    request.pipe(on);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const stop = () => (server.closeAllConnections(), server.close());
  return { url: `http://127.0.0.1:${server.address().port}/mcp`, versions, stop };
}

// What the servers of this folder said that they speak with their client, the last word counting.
function spoken(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".stdout"));
  const lines = names.flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").filter(Boolean));
  const results = lines.map((line) => JSON.parse(line).result ?? {});
  const shaken = results.find((result) => result.protocolVersion);
  const modern = results.some((result) => result._meta?.["io.modelcontextprotocol/serverInfo"]);
  return shaken?.protocolVersion ?? (modern ? "2026-07-28" : null);
}

// A command's last words, in place of an error with a code.
const said = (pattern) => (work) => assert.rejects(work, pattern);

async function one(transport, era) {
  const folder = mkdtempSync(join(tmpdir(), "clients-"));
  const { checks: held, check } = checks.checklist();
  let revision = null;
  const home = { HOME: folder, MCP_CATALOG_PATH: join(folder, "catalog"), PATH: process.env.PATH };
  const connect = async (grants) => {
    if (transport === "stdio") {
      const { command, env } = piped(folder, grants);
      const given = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
      return { client: client(era, [...given, "--", command], home), close: async () => {} };
    }
    const server = await listening(folder, grants);
    const watch = await watching(server.url);
    const close = async () => {
      watch.stop();
      await server.stop();
      revision ??= [...watch.versions].join(" and ");
    };
    return { client: client(era, ["--server-url", watch.url], home), close };
  };
  await check("connect", async () => {
    const { client, close } = await connect(checks.ALL);
    const { list, call, badArguments, alerts, alone } = checks;
    for (const [name, work] of Object.entries({ list, call, arguments: badArguments, alerts, alone })) {
      await check(name, () => work(client));
    }
    await check("unknown", () => said(/no_such_tool|Unknown tool|-32602/)(client.callTool({ name: "no_such_tool", arguments: {} })));
    await close();
    revision ??= spoken(folder);
    await check("end", () => checks.end(folder));
  });
  await check("scope", async () => {
    const { client, close } = await connect(checks.READS);
    const { tools } = await client.listTools();
    assert.ok(!tools.some((tool) => tool.name === "clear_alerts"));
    await said(/clear_alerts|write:alerts/)(client.callTool({ name: "clear_alerts", arguments: { symbol: "IBM" } }));
    await close();
  });
  held.confirm = "asks nobody";
  rmSync(folder, { recursive: true });
  return { revision, checks: held };
}

for (const transport of (process.env.TRANSPORTS ?? "stdio http").split(" ")) {
  for (const era of ["legacy", "auto", "modern"]) {
    const came = await one(transport, era);
    console.log(JSON.stringify({ client: "@modelcontextprotocol/inspector", transport, mode: era, ...came }));
  }
}
