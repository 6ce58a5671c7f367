// Starts the server of an unpacked bundle as a host does, with the defaults of its configuration and with one of the user.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const folder = path.resolve(process.argv[2]);
const manifest = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8"));
const { command, args } = manifest.server.mcp_config;

// Lists the tools of the server that the manifest starts with these settings.
const listed = async (settings) => {
  const fill = (text) => text.replaceAll("${__dirname}", folder).replace(/\$\{user_config\.(\w+)\}/g, (_, key) => settings[key]);
  const client = new Client({ name: "host", version: "1.0.0" });
  await client.connect(new StdioClientTransport({ command: fill(command), args: args.map(fill), env: process.env, stderr: "ignore" }));
  const { tools } = await client.listTools();
  const answer = tools.some(({ name }) => name === "get_stock_price")
    ? await client.callTool({ name: "get_stock_price", arguments: { symbol: "AAPL" } })
    : undefined;
  await client.close();
  return { names: tools.map(({ name }) => name), readOnly: tools.every((tool) => tool.annotations.readOnlyHint), answer };
};

const settings = Object.entries(manifest.user_config);
const defaults = await listed(Object.fromEntries(settings.map(([key, setting]) => [key, setting.default])));
assert.equal(defaults.readOnly, true, "an installation without a choice gets tools that read");
assert.ok(defaults.names.length > 0);
assert.equal(defaults.answer.structuredContent.price, 223.02);
const all = await listed({ scopes: "read:alerts read:prices write:alerts" });
assert.deepEqual(all.names, manifest.tools.map(({ name }) => name));
assert.deepEqual((await listed({ scopes: "" })).names, []);
console.log(`ok: ${defaults.names.length} tools by default, ${all.names.length} with every scope`);
