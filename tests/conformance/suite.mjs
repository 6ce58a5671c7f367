// The program `$SERVER` → whether it holds to what each revision requires, with the counts.

import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { challenge } from "./scope_challenge.mjs";
import { listening } from "./server.mjs";
import { tasks } from "./tasks.mjs";

const SCOPES = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text";
// What is required of a server, by the number of its scenarios: a suite that ran less has shown less. And the suite's own
// total of checks that pass and fail, with what it only runs: the tasks extension (SEP-2663). Two more checks of 2026-07-28 are
// for servers that answer with a stream where JSON will do, and whose list of tools changes: they count for neither here.
const REVISIONS = {
  "2025-11-25": { scenarios: 30, total: "83 passed, 0 failed" },
  "2026-07-28": { scenarios: 37, total: "195 passed, 0 failed" },
};

// Every check of the scenarios that a revision requires, and of those that it only runs.
function counts(folder, required) {
  const count = { required: [0, 0], beside: [0, 0], scenarios: 0 };
  for (const run of readdirSync(folder)) {
    const checks = JSON.parse(readFileSync(join(folder, run, "checks.json")));
    const scenario = run.replace(/^server-/, "").replace(/-\d{4}-\d{2}-\d{2}T.*$/, "");
    const isRequired = required.has(scenario);
    count.scenarios += isRequired;
    const [passed, failed] = count[isRequired ? "required" : "beside"];
    const of = (...states) => checks.filter((check) => states.includes(check.status)).length;
    count[isRequired ? "required" : "beside"] = [passed + of("SUCCESS"), failed + of("FAILURE", "WARNING")];
  }
  return count;
}

// The scenarios that the suite itself lists as a server's.
function requiredOf(revision) {
  const file = new URL(`./node_modules/@modelcontextprotocol/conformance/requirements/${revision}.yaml`, import.meta.url);
  const server = readFileSync(file, "utf8").split(/^server:$/m)[1].split(/^\w/m)[0];
  return new Set([...server.matchAll(/^ {2}- (\S+)$/gm)].map(([, scenario]) => scenario));
}

let held = true;
rmSync("results", { force: true, recursive: true });
for (const [revision, reached] of Object.entries(REVISIONS)) {
  const server = await listening(["--grant", SCOPES]);
  const args = ["server", "--url", server.url, "--requirements", revision, "--output-dir", `results/${revision}`];
  const suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
  const { status, stdout, stderr } = spawnSync(process.execPath, [suite, ...args], { encoding: "utf8" });
  const code = await server.stop();
  const count = counts(`results/${revision}`, requiredOf(revision));
  const said = ([passed, failed]) => `${passed} passed, ${failed} failed`;
  const total = stdout.match(/^Total: (.*)$/m)?.[1];
  console.log(`${revision}: ${said(count.required)} in ${count.scenarios} scenarios; not required: ${said(count.beside)}`);
  console.log(`${revision}: the suite's own total: ${total}`);
  const asReached = count.scenarios === reached.scenarios && total === reached.total;
  if (status !== 0 || code !== 0 || count.required[1] > 0 || !asReached) {
    console.error(stdout.split("=== SUMMARY ===")[1] ?? stdout, stderr);
    console.error(`${revision}: the suite ended with ${status}, the server with ${code}; the total was ${reached.total}`);
    held = false;
  }
}
for (const [about, came] of Object.entries({ "scope challenge": await challenge(), "a client of tasks": await tasks() })) {
  for (const [what, why] of Object.entries(came)) {
    console.log(`${about}, ${what}: ${why ?? "ok"}`);
    held &&= why === undefined;
  }
}
process.exit(held ? 0 : 1);
