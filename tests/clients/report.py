"""Turns lines of results into a printed table, `results.json`, the matrix for the README, and an exit code."""

import importlib.metadata
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
TRANSPORTS = ["stdio", "http"]
# The client, its mode of connecting, and the revision that this mode must negotiate.
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
# The result of a client that cannot ask a user, which is allowed for the check `confirm`.
CANNOT_ASK = "cannot ask"


def version(client: str) -> str:
    if client == "mcp":
        return importlib.metadata.version(client)
    return json.loads((HERE / "node_modules" / client / "package.json").read_text())["version"]


def passed(check: str, result: str) -> bool:
    return result == "ok" or (check == "confirm" and result == CANNOT_ASK)


def row(reported: dict, client: str, transport: str, mode: str, revision: str) -> dict:
    empty = {"client": client, "transport": transport, "mode": mode, "revision": None, "checks": {}}
    row = reported.get((client, transport, mode), empty)
    negotiated = row["revision"]
    row["checks"]["revision"] = "ok" if negotiated == revision else f"expected {revision}, not {negotiated}"
    for check in CHECKS:
        row["checks"].setdefault(check, "not reached")
    row["expected"] = revision
    row["ok"] = all(passed(check, result) for check, result in row["checks"].items())
    return row


def matrix(rows: list[dict]) -> dict:
    """Makes a cell for each client, transport and revision that was run."""
    clients = list(dict.fromkeys(client for client, _, _ in EXPECTED))
    cells = {}
    for row in rows:
        key = (row["client"], row["transport"], row["expected"])
        result = "fails" if not row["ok"] else CANNOT_ASK if row["checks"]["confirm"] == CANNOT_ASK else "works"
        cells[key] = "fails" if "fails" in (result, cells.get(key)) else result
    return {
        "clients": [{"name": client, "version": version(client)} for client in clients],
        "cells": [
            {"client": client, "transport": transport, "revision": revision, "result": result}
            for (client, transport, revision), result in sorted(cells.items())
        ],
    }


def main(lines: str, results: str, into: str) -> int:
    with open(lines) as file:
        reported = {(row["client"], row["transport"], row["mode"]): row for row in map(json.loads, file)}
    rows = [row(reported, client, transport, mode, rev) for client, mode, rev in EXPECTED for transport in TRANSPORTS]
    for name, content in [(results, rows), (into, matrix(rows))]:
        pathlib.Path(name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    print(f"{'client':<31} {'over':<5} {'mode':<10} {'revision':<10} " + " ".join(f"{check:<9}" for check in CHECKS))
    for row_ in rows:
        results_of = row_["checks"]
        marks = {
            check: "ok" if results_of[check] == "ok" else "no user" if passed(check, results_of[check]) else "FAILED"
            for check in CHECKS
        }
        start = f"{row_['client']:<31} {row_['transport']:<5} {row_['mode']:<10} {row_['revision'] or 'none':<10} "
        print((start + " ".join(f"{mark:<9}" for mark in marks.values())).rstrip())
    for row_ in rows:
        for check, result in row_["checks"].items():
            if not passed(check, result):
                print(f"{row_['client']}, {row_['transport']}, {row_['mode']}, {check}: {result}", file=sys.stderr)
    return 0 if all(row_["ok"] for row_ in rows) else 1


sys.exit(main(*sys.argv[1:]))
