// Starts the program `$SERVER` on a port of the loopback interface.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export async function listening(args) {
  const command = ["serve", "--http", "127.0.0.1:0", ...args];
  const child = spawn(process.env.SERVER, command, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  const lines = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    if (line.startsWith("{")) {
      child.stderr.resume();
      const stop = async () => {
        child.kill("SIGTERM");
        const [code, signal] = await ended;
        return code ?? signal;
      };
      return { url: JSON.parse(line).listening, stop };
    }
  }
  throw new Error(`the server did not listen: ${lines.join("\n")}`);
}
