// Provides `prices` to a client under test: as a command to start, or as a running server that listens on loopback.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

// The command for a client that starts the server itself.
export function piped(folder, grants) {
  const { PATH, PRICES } = process.env;
  const env = { PATH, PRICES, PRICES_DATA: folder, XDG_STATE_HOME: folder, WATCH: folder, GRANTS: grants };
  return { command: join(here, "watched"), env };
}

// Starts a listening server. `stop` ends it with SIGTERM, and writes its exit code into the folder.
export async function listening(folder, grants) {
  const { PATH, PRICES } = process.env;
  const args = ["serve", "--http", "127.0.0.1:0", "--grant", grants];
  const child = spawn(PRICES, args, { env: { PATH, PRICES_DATA: folder, XDG_STATE_HOME: folder }, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.pipe(createWriteStream(join(folder, `${child.pid}.stdout`)));
  const ended = once(child, "exit");
  let url;
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith("{")) {
      url = JSON.parse(line).listening;
      break;
    }
  }
  child.stderr.resume();
  if (!url) {
    throw new Error("the server did not print its address");
  }
  return {
    url,
    async stop() {
      child.kill("SIGTERM");
      const [code, signal] = await ended;
      writeFileSync(join(folder, `${child.pid}.code`), `${code ?? signal}\n`);
    },
  };
}
