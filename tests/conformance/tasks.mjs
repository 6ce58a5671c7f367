// Tests the program `$SERVER` with the official client of the tasks extension (SEP-2663), and returns the error of each
// scenario that fails.

import assert from "node:assert/strict";

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createApplicationInputHandler, createTaskSessionFromClient } from "@modelcontextprotocol/ext-tasks/client";

import { listening } from "./server.mjs";

const REVISION = "2026-07-28";
const EXTENSION = "io.modelcontextprotocol/tasks";

// Opens a session that takes tasks. `answerForm` answers the questions of tools.
async function session(url, answerForm) {
  const clientInfo = { name: "tasks", version: "0" };
  const clientCapabilities = { extensions: { [EXTENSION]: {} }, ...(answerForm && { elicitation: {} }) };
  const client = new Client(clientInfo, { capabilities: clientCapabilities, versionNegotiation: { mode: { pin: REVISION } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const rawDispatch = async (request, { signal } = {}) => {
    const { name, taskId } = request.params;
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": REVISION,
      "mcp-method": request.method,
      "mcp-name": name ?? taskId,
    };
    const message = { jsonrpc: "2.0", id: 1, ...request };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(message), signal });
    const { result, error } = await response.json();
    return error ? { kind: "error", error } : { kind: "result", result };
  };
  const onInputRequest = answerForm && createApplicationInputHandler({ elicitation: answerForm });
  const v2RequestFraming = { protocolVersion: REVISION, clientInfo, clientCapabilities };
  const tasks = createTaskSessionFromClient(client, { endpointId: url, rawDispatch, v2RequestFraming, onInputRequest });
  const close = async () => {
    await tasks.close();
    await client.close();
  };
  return { tasks, close };
}

const text = ({ outcome }) => outcome.result.content[0].text;

const scenarios = {
  async "a result, with progress before it"(url) {
    const { tasks, close } = await session(url);
    const execution = await tasks.callTool("slow_compute", { seconds: 2, label: "The sum" });
    assert.equal(execution.kind, "task");
    const statuses = new Set();
    const settled = await execution.settle({ onEvent: ({ task }) => statuses.add(task?.statusMessage) });
    assert.equal(text(settled), "The sum took 2 s.");
    assert.ok([...statuses].some((status) => /^The sum \(\d of 2\)$/.test(status)), [...statuses].join());
    await close();
  },
  async "a tool's own error"(url) {
    const { tasks, close } = await session(url);
    const settled = await (await tasks.callTool("failing_job")).settle();
    assert.equal(settled.outcome.status, "completed");
    assert.equal(settled.outcome.result.isError, true);
    await close();
  },
  async "an error of the protocol"(url) {
    const { tasks, close } = await session(url);
    const settled = await (await tasks.callTool("protocol_error_job")).settle();
    assert.equal(settled.outcome.status, "failed");
    await close();
  },
  async "questions of a task"(url) {
    const questions = [];
    const { tasks, close } = await session(url, ({ params }) => {
      questions.push(params.message);
      return { action: "accept", content: { name: `${questions.length}` } };
    });
    const settled = await (await tasks.callTool("multi_input")).settle();
    assert.deepEqual(questions.toSorted(), ["A name?", "Another?"]);
    assert.equal(text(settled).split(" and ").toSorted().join(), '"1","2"');
    await close();
  },
  async "a task that is cancelled"(url) {
    const { tasks, close } = await session(url);
    const execution = await tasks.callTool("slow_compute", { seconds: 60 });
    await execution.cancel();
    assert.equal((await execution.settle()).outcome.status, "cancelled");
    await close();
  },
  async "a task that is handed to another session"(url) {
    const { tasks, close } = await session(url);
    const execution = await tasks.callTool("slow_compute", { seconds: 2 });
    let reference;
    await execution.handoff((handedOff) => {
      reference = JSON.parse(JSON.stringify(handedOff));
    });
    const other = await session(url);
    const settled = await (await other.tasks.resumeTask(reference)).settle();
    assert.equal(text(settled), "It took 2 s.");
    await other.close();
    // Closing a session cancels its own tasks.
    await close();
  },
};

export async function tasks() {
  const server = await listening([]);
  const results = {};
  for (const [name, scenario] of Object.entries(scenarios)) {
    results[name] = await scenario(server.url).catch((error) => String(error.stack ?? error));
  }
  await server.stop();
  return results;
}
