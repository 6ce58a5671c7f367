"""Writes the table of `matrix.json` into the README, between two markers. `--check` only compares the README with it."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
README = HERE.parent.parent / "README.md"
START, END = "<!-- matrix: printed by tests/clients/readme.py -->", "<!-- /matrix -->"
REVISIONS = ["2025-06-18", "2025-11-25", "2026-07-28"]
NAMES = {
    "mcp": "Python [`mcp`](https://pypi.org/project/mcp/)",
    "@modelcontextprotocol/client": "TypeScript [`@modelcontextprotocol/client`](https://www.npmjs.com/package/@modelcontextprotocol/client)",
    "@modelcontextprotocol/sdk": "TypeScript [`@modelcontextprotocol/sdk`](https://www.npmjs.com/package/@modelcontextprotocol/sdk)",
    "@modelcontextprotocol/inspector": "[MCP Inspector](https://www.npmjs.com/package/@modelcontextprotocol/inspector), `--cli`",
}
LEGEND = (
    "*works*: the list with its hints, calls, refusals of arguments and scopes, confirmation (accepted, declined,\n"
    "cancelled, without a user to ask), and an orderly end. *cannot ask*: the client cannot ask a user, so a\n"
    "destructive call is refused. *untested*: the client cannot be pinned to that revision, or was not."
)
CELLS = {"works": "works", "cannot ask": "works, cannot ask", "fails": "**fails**"}


def table(matrix: dict) -> str:
    cells = {(cell["client"], cell["transport"], cell["revision"]): cell["result"] for cell in matrix["cells"]}
    lines = [f"| client | over | {' | '.join(REVISIONS)} |", "| --- | --- | " + " | ".join(["---"] * len(REVISIONS)) + " |"]
    for client in matrix["clients"]:
        for transport, over in [("stdio", "stdio"), ("http", "HTTP")]:
            results = [cells.get((client["name"], transport, revision)) for revision in REVISIONS]
            columns = " | ".join("untested" if result is None else CELLS[result] for result in results)
            lines.append(f"| {NAMES[client['name']]} {client['version']} | {over} | {columns} |")
    return "\n".join(lines)


def main(check: bool) -> int:
    text = README.read_text()
    before, _, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        print(f"the README has no markers for the table\nhelp: add the lines {START} and {END}", file=sys.stderr)
        return 1
    text_of_table = table(json.loads((HERE / "matrix.json").read_text()))
    new = f"{before}{START}\n\n{text_of_table}\n\n{LEGEND}\n\n{END}{after}"
    if check and new != text:
        print("the README's table of clients differs from matrix.json\nhelp: run tests/clients/readme.py", file=sys.stderr)
        return 1
    if not check:
        README.write_text(new)
    return 0


sys.exit(main(sys.argv[1:] == ["--check"]))
