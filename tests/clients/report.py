"""Lines of results → a table, a file of every word said, the matrix that the README shows, and an exit code."""

import importlib.metadata
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
TRANSPORTS = ["stdio", "http"]
# Client, how it was told to connect, and the revision that has to come of it.
EXPECTED = [
    ("mcp", "default", "2026-07-28"),
    ("mcp", "legacy", "2025-11-25"),
    ("mcp", "2026-07-28", "2026-07-28"),
    ("@modelcontextprotocol/client", "default", "2025-11-25"),
    ("@modelcontextprotocol/client", "2025-06-18", "2025-06-18"),
    ("@modelcontextprotocol/client", "auto", "2026-07-28"),
    ("@modelcontextprotocol/client", "2026-07-28", "2026-07-28"),
    ("@modelcontextprotocol/sdk", "default", "2025-11-25"),
    ("@modelcontextprotocol/inspector", "legacy", "2025-11-25"),
    ("@modelcontextprotocol/inspector", "auto", "2026-07-28"),
    ("@modelcontextprotocol/inspector", "modern", "2026-07-28"),
]
CHECKS = ["list", "call", "arguments", "scope", "unknown", "alerts", "confirm", "alone", "end"]
# The one check that a client may be unable to make, and how it says so.
ASKS_NOBODY = "asks nobody"


def version(client: str) -> str:
    if client == "mcp":
        return importlib.metadata.version(client)
    return json.loads((HERE / "node_modules" / client / "package.json").read_text())["version"]


def holds(check: str, said: str) -> bool:
    return said == "ok" or (check == "confirm" and said == ASKS_NOBODY)


def row(came: dict, client: str, transport: str, mode: str, revision: str) -> dict:
    empty = {"client": client, "transport": transport, "mode": mode, "revision": None, "checks": {}}
    row = came.get((client, transport, mode), empty)
    spoken = row["revision"]
    row["checks"]["revision"] = "ok" if spoken == revision else f"{spoken}, and not {revision}"
    for check in CHECKS:
        row["checks"].setdefault(check, "did not come so far")
    row["expected"] = revision
    row["ok"] = all(holds(check, said) for check, said in row["checks"].items())
    return row


def matrix(rows: list[dict]) -> dict:
    """A cell for each client, transport and revision that was run; a revision that was not has none."""
    clients = list(dict.fromkeys(client for client, _, _ in EXPECTED))
    cells = {}
    for row in rows:
        key = (row["client"], row["transport"], row["expected"])
        said = "fails" if not row["ok"] else ASKS_NOBODY if row["checks"]["confirm"] == ASKS_NOBODY else "works"
        cells[key] = "fails" if "fails" in (said, cells.get(key)) else said
    return {
        "clients": [{"name": client, "version": version(client)} for client in clients],
        "cells": [
            {"client": client, "transport": transport, "revision": revision, "result": said}
            for (client, transport, revision), said in sorted(cells.items())
        ],
    }


def main(lines: str, results: str, into: str) -> int:
    with open(lines) as file:
        came = {(row["client"], row["transport"], row["mode"]): row for row in map(json.loads, file)}
    rows = [row(came, client, transport, mode, rev) for client, mode, rev in EXPECTED for transport in TRANSPORTS]
    for name, content in [(results, rows), (into, matrix(rows))]:
        pathlib.Path(name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    print(f"{'client':<31} {'over':<5} {'mode':<10} {'revision':<10} " + " ".join(f"{check:<9}" for check in CHECKS))
    for row_ in rows:
        said = row_["checks"]
        marks = {check: "ok" if said[check] == "ok" else "nobody" if holds(check, said[check]) else "FAILED" for check in CHECKS}
        start = f"{row_['client']:<31} {row_['transport']:<5} {row_['mode']:<10} {row_['revision'] or 'none':<10} "
        print((start + " ".join(f"{mark:<9}" for mark in marks.values())).rstrip())
    for row_ in rows:
        for check, said in row_["checks"].items():
            if not holds(check, said):
                print(f"{row_['client']}, {row_['transport']}, {row_['mode']}, {check}: {said}", file=sys.stderr)
    return 0 if all(row_["ok"] for row_ in rows) else 1


sys.exit(main(*sys.argv[1:]))
