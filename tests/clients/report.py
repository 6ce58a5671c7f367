"""Lines of results → a table, a file, and an exit code."""

import json
import sys

# Client, how it was told to connect, and the revision that has to come of it.
EXPECTED = [
    ("python mcp 2.3", "default", "2026-07-28"),
    ("python mcp 2.3", "legacy", "2025-11-25"),
    ("python mcp 2.3", "2026-07-28", "2026-07-28"),
    ("typescript client 2.4", "default", "2025-11-25"),
    ("typescript client 2.4", "2025-06-18", "2025-06-18"),
    ("typescript client 2.4", "auto", "2026-07-28"),
    ("typescript client 2.4", "2026-07-28", "2026-07-28"),
]
CHECKS = ["list", "call", "arguments", "scope", "unknown", "alerts", "end"]


def main(lines: str, results: str) -> int:
    with open(lines) as file:
        came = {(row["client"], row["mode"]): row for row in map(json.loads, file)}
    rows = []
    for client, mode, revision in EXPECTED:
        row = came.get((client, mode), {"client": client, "mode": mode, "revision": None, "checks": {}})
        row["checks"]["revision"] = (
            "ok" if row["revision"] == revision else f"{row['revision']}, and not {revision}"
        )
        for check in CHECKS:
            row["checks"].setdefault(check, "did not come so far")
        row["ok"] = all(said == "ok" for said in row["checks"].values())
        rows.append(row)
    with open(results, "w") as file:
        json.dump(rows, file, indent=2, sort_keys=True)
        file.write("\n")
    print(f"{'client':<22} {'mode':<11} {'revision':<11} " + " ".join(f"{check:<9}" for check in CHECKS))
    for row in rows:
        marks = " ".join(f"{'ok' if row['checks'][check] == 'ok' else 'FAILED':<9}" for check in CHECKS)
        print(f"{row['client']:<22} {row['mode']:<11} {row['revision'] or 'none':<11} {marks}".rstrip())
    failed = [row for row in rows if not row["ok"]]
    for row in failed:
        for check, said in row["checks"].items():
            if said != "ok":
                print(f"{row['client']}, {row['mode']}, {check}: {said}", file=sys.stderr)
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
