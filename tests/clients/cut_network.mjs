// Cuts the network for a moment while TypeScript clients wait for answers over HTTP. Each call must be answered. Fails with
// the calls that were not.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import * as current from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

// The cut comes when every call is under way, and some end while it lasts.
const CUT_AFTER_MS = 1000;
const CUT_MS = 200;
const CALLS_MS = [1050, 1150, 1300, 2000, 4000];
const clients = {
  "@modelcontextprotocol/client": current,
  "@modelcontextprotocol/sdk": { Client, StreamableHTTPClientTransport },
};

// Starts the server `web`, and returns its process and its port.
async function listening() {
  const child = spawn(process.env.WEB_SERVER, ["serve", "--http", "127.0.0.1:0"], { stdio: ["ignore", "ignore", "pipe"] });
  let port;
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith("{")) {
      port = Number(new URL(JSON.parse(line).listening).port);
      break;
    }
  }
  child.stderr.resume();
  assert.ok(port, "the server did not print its address");
  return { child, port };
}

// A proxy in front of a port, whose connections can be cut.
async function proxy(port) {
  const sockets = new Set();
  let isUp = true;
  const server = createServer((client) => {
    if (!isUp) {
      client.destroy();
      return;
    }
    const upstream = connect(port, "127.0.0.1");
    for (const [socket, other] of [[client, upstream], [upstream, client]]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
  return {
    port: server.address().port,
    async cut(time) {
      isUp = false;
      for (const socket of sockets) socket.destroy();
      await sleep(time);
      isUp = true;
    },
    close: () => server.close(),
  };
}

const { child, port } = await listening();
try {
  for (const [name, { Client, StreamableHTTPClientTransport }] of Object.entries(clients)) {
    const network = await proxy(port);
    const client = new Client({ name: "test", version: "0" });
    await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${network.port}/mcp`)));
    const calls = CALLS_MS.map((time) => client.callTool({ name: "linger", arguments: { time } }));
    const settled = Promise.allSettled(calls);
    await sleep(CUT_AFTER_MS);
    await network.cut(CUT_MS);
    for (const [at, result] of (await settled).entries()) {
      assert.equal(result.status, "fulfilled", `${name}: the call of ${CALLS_MS[at]} ms: ${result.reason}`);
      assert.ok(!result.value.isError, JSON.stringify(result.value));
    }
    console.log(`${name}: ${calls.length} calls were answered although the network was cut for ${CUT_MS} ms`);
    await client.close();
    network.close();
  }
} finally {
  child.kill("SIGTERM");
}
