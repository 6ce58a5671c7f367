"""Turns lines of results of the example servers into a printed table and an exit code."""

import json
import sys

CLIENTS = ["mcp", "fastmcp", "@modelcontextprotocol/client", "@modelcontextprotocol/sdk"]
SERVERS = ["files", "notes", "weather"]


def main(lines: str) -> int:
    with open(lines) as file:
        results = {(row["client"], row["transport"], row["server"]): row["result"] for row in map(json.loads, file)}
    print(f"{'client':<31} {'over':<5} " + " ".join(f"{server:<9}" for server in SERVERS))
    failed = {}
    for client in CLIENTS:
        for transport in ["stdio", "http"]:
            row = {(client, transport, server): results.get((client, transport, server), "not reached") for server in SERVERS}
            marks = " ".join(f"{'ok' if result == 'ok' else 'FAILED':<9}" for result in row.values())
            print(f"{client:<31} {transport:<5} {marks}".rstrip())
            failed |= {key: result for key, result in row.items() if result != "ok"}
    for key, result in failed.items():
        print(f"{', '.join(key)}: {result}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
