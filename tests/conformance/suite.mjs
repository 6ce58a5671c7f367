// Runs the conformance suite on the program `$SERVER` under each revision, and prints the numbers of passed and failed checks.

import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { challenge } from "./scope_challenge.mjs";
import { listening } from "./server.mjs";
import { tasks } from "./tasks.mjs";

const SCOPES = "mcp:conformance:tools:call mcp:conformance:tools:test_simple_text";
// The number of required scenarios, so that a suite that skips some fails. And the suite's own total, which includes checks
// that are not required: those of the tasks extension (SEP-2663). Two checks of 2025-11-25 do not apply: they are for servers that
// stream the answer to a call of an unknown tool. Two more checks of 2026-07-28 do not apply, because they are
// for servers that stream every answer and for servers whose list of tools changes.
const REVISIONS = {
  "2025-11-25": { scenarios: 30, total: "81 passed, 0 failed" },
  "2026-07-28": { scenarios: 37, total: "195 passed, 0 failed" },
};

// Counts the passed and failed checks, in required scenarios and in others.
function counts(folder, required) {
  const count = { required: [0, 0], optional: [0, 0], scenarios: 0 };
  for (const run of readdirSync(folder)) {
    const checks = JSON.parse(readFileSync(join(folder, run, "checks.json")));
    const scenario = run.replace(/^server-/, "").replace(/-\d{4}-\d{2}-\d{2}T.*$/, "");
    const isRequired = required.has(scenario);
    count.scenarios += isRequired;
    const [passed, failed] = count[isRequired ? "required" : "optional"];
    const of = (...states) => checks.filter((check) => states.includes(check.status)).length;
    count[isRequired ? "required" : "optional"] = [passed + of("SUCCESS"), failed + of("FAILURE", "WARNING")];
  }
  return count;
}

// The scenarios that the suite lists as required of a server.
function requiredScenarios(revision) {
  const file = new URL(`./node_modules/@modelcontextprotocol/conformance/requirements/${revision}.yaml`, import.meta.url);
  const server = readFileSync(file, "utf8").split(/^server:$/m)[1].split(/^\w/m)[0];
  return new Set([...server.matchAll(/^ {2}- (\S+)$/gm)].map(([, scenario]) => scenario));
}

let passes = true;
rmSync("results", { force: true, recursive: true });
for (const [revision, expected] of Object.entries(REVISIONS)) {
  const server = await listening(["--grant", SCOPES]);
  const args = ["server", "--url", server.url, "--requirements", revision, "--output-dir", `results/${revision}`];
  const suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
  const { status, stdout, stderr } = spawnSync(process.execPath, [suite, ...args], { encoding: "utf8" });
  const code = await server.stop();
  const count = counts(`results/${revision}`, requiredScenarios(revision));
  const text = ([passed, failed]) => `${passed} passed, ${failed} failed`;
  const total = stdout.match(/^Total: (.*)$/m)?.[1];
  console.log(`${revision}: ${text(count.required)} in ${count.scenarios} scenarios; not required: ${text(count.optional)}`);
  console.log(`${revision}: the suite's own total: ${total}`);
  const isExpected = count.scenarios === expected.scenarios && total === expected.total;
  if (status !== 0 || code !== 0 || count.required[1] > 0 || !isExpected) {
    console.error(stdout.split("=== SUMMARY ===")[1] ?? stdout, stderr);
    console.error(`${revision}: the suite ended with ${status}, the server with ${code}; the expected total is ${expected.total}`);
    passes = false;
  }
}
for (const [subject, results] of Object.entries({ "scope challenge": await challenge(), "a client of tasks": await tasks() })) {
  for (const [name, error] of Object.entries(results)) {
    console.log(`${subject}, ${name}: ${error ?? "ok"}`);
    passes &&= error === undefined;
  }
}
process.exit(passes ? 0 : 1);
