// Calls the example servers of `examples.json` with the TypeScript clients, over each transport, and prints a line of JSON
// for each server.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import * as current from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OlderStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OlderHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const examples = JSON.parse(readFileSync(new URL("examples.json", import.meta.url), "utf8"));
const clients = {
  "@modelcontextprotocol/client": {
    make: (capabilities) => new current.Client({ name: "test", version: "0" }, { capabilities, versionNegotiation: { mode: "auto" } }),
    elicitation: "elicitation/create",
    Stdio: StdioClientTransport,
    Http: current.StreamableHTTPClientTransport,
  },
  "@modelcontextprotocol/sdk": {
    make: (capabilities) => new OlderClient({ name: "test", version: "0" }, { capabilities }),
    elicitation: ElicitRequestSchema,
    Stdio: OlderStdio,
    Http: OlderHttp,
  },
};

// Starts a listening server. `stop` ends it with SIGTERM.
async function listening(command, args, env) {
  const child = spawn(command, ["serve", "--http", "127.0.0.1:0", ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  let url;
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith("{")) {
      url = new URL(JSON.parse(line).listening);
      break;
    }
  }
  child.stderr.resume();
  assert.ok(url, "the server did not print its address");
  const stop = async () => {
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  };
  return { url, stop };
}

function check(call, answer, questions) {
  const text = answer.content.filter((block) => block.type === "text").map((block) => block.text).join("\n");
  const shown = JSON.stringify({ call, answer, questions });
  assert.equal(Boolean(answer.isError), "error" in call, shown);
  assert.ok(text.includes(call.error ?? call.text ?? ""), shown);
  for (const [key, value] of Object.entries(call.data ?? {})) {
    assert.deepEqual(answer.structuredContent?.[key], value, shown);
  }
  assert.equal(questions.length, "asked" in call ? 1 : 0, shown);
  assert.ok(questions.every((question) => question.includes(call.asked)), shown);
}

async function run({ make, elicitation, Stdio, Http }, transport, server, folder) {
  const example = examples[server];
  const { PATH, PROGRAMS, WEATHER_API } = process.env;
  const [command, env] = [join(PROGRAMS, server), { PATH, XDG_STATE_HOME: `${folder}.state` }];
  const options = example.options.map((option) => option.replace("$FOLDER", folder).replace("$WEATHER_API", WEATHER_API));
  const questions = [];
  const client = make({ elicitation: { form: {} } });
  client.setRequestHandler(elicitation, async (request) => {
    questions.push(request.params.message);
    return { action: "accept", content: {} };
  });
  const http = transport === "http" && (await listening(command, options, env));
  try {
    await client.connect(http ? new Http(http.url) : new Stdio({ command, args: ["serve", "--quiet", ...options], env }));
    await compare(client, example, questions);
  } finally {
    await client.close();
    await (http && http.stop());
  }
}

async function compare(client, example, questions) {
  assert.equal((await client.listTools()).tools.length, example.tools);
  for (const call of example.calls) {
    questions.length = 0;
    check(call, await client.callTool({ name: call.tool, arguments: call.arguments }), questions);
  }
  for (const [uri, text] of Object.entries(example.resources ?? {})) {
    assert.equal((await client.readResource({ uri })).contents[0].text, text);
  }
  for (const [name, text] of Object.entries(example.prompts ?? {})) {
    const { messages } = await client.getPrompt({ name });
    assert.ok(messages[0].content.text.includes(text));
  }
}

for (const [name, client] of Object.entries(clients)) {
  for (const transport of ["stdio", "http"]) {
    for (const server of Object.keys(examples)) {
      const parent = mkdtempSync(join(tmpdir(), "examples-"));
      mkdirSync(join(parent, "data"));
      const result = await run(client, transport, server, join(parent, "data")).then(() => "ok", (error) => String(error.stack ?? error));
      rmSync(parent, { recursive: true });
      console.log(JSON.stringify({ client: name, transport, server, result }));
    }
  }
}
