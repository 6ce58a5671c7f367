"""Tests `prices` with the Python client, over each transport and under each revision, and prints a line of JSON for each."""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import traceback

from mcp import Client, MCPError, StdioServerParameters
from mcp.types import ElicitResult

HERE = pathlib.Path(__file__).parent
ALL = "read:prices read:alerts write:alerts"
HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
READS = [True, False, True, False]
TOOLS = {
    "clear_alerts": [False, True, True, False],
    "compare": READS,
    "fetch_quote": [True, False, True, True],
    "get_stock_price": READS,
    "list_alerts": READS,
    "price_history": READS,
    "set_alert": [False, False, False, False],
}


@contextlib.asynccontextmanager
async def server(transport: str, folder: str, grants: str):
    """Provides `prices` as the client takes it: a command to start, or the address of a running server."""
    env = {"PATH": os.environ["PATH"], "PRICES_DATA": folder, "XDG_STATE_HOME": folder}
    if transport == "stdio":
        env |= {"PRICES": os.environ["PRICES"], "WATCH": folder, "GRANTS": grants}
        yield StdioServerParameters(command=str(HERE / "watched"), env=env)
        return
    command = [os.environ["PRICES"], "serve", "--http", "127.0.0.1:0", "--grant", grants]
    with open(f"{folder}/http.stdout", "w") as stdout, open(f"{folder}/http.stderr", "w") as stderr:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    try:
        yield await address(f"{folder}/http.stderr", process)
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 20)
        pathlib.Path(folder, "http.code").write_text(f"{code}\n")


async def address(stderr: str, process: subprocess.Popen) -> str:
    while process.poll() is None:
        for line in pathlib.Path(stderr).read_text().splitlines():
            if line.startswith("{"):
                return json.loads(line)["listening"]
        await asyncio.sleep(0.02)
    raise AssertionError(f"the server ended: {pathlib.Path(stderr).read_text()}")


class User:
    """The user at the client."""

    action = "accept"

    async def __call__(self, context, params) -> ElicitResult:
        self.question = params.message
        return ElicitResult(action=self.action, content={} if self.action == "accept" else None)


def wire(model) -> dict:
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, not {actual!r}"


async def refusal(client: Client, tool: str, arguments: dict) -> MCPError:
    try:
        answer = await client.call_tool(tool, arguments)
    except MCPError as error:
        return error
    raise AssertionError(f"{tool} was answered: {answer}")


async def lists(client: Client):
    tools = {tool["name"]: tool for tool in map(wire, (await client.list_tools()).tools)}
    same({name: [tool["annotations"][hint] for hint in HINTS] for name, tool in tools.items()}, TOOLS)
    same(list(tools), sorted(tools))
    for tool in tools.values():
        assert tool["title"] and tool["description"]
        same([tool["inputSchema"]["type"], tool["inputSchema"]["additionalProperties"]], ["object", False])
        same(tool["outputSchema"]["type"], "object")
    same(tools["get_stock_price"]["inputSchema"]["properties"]["symbol"]["pattern"], "^[A-Z]{1,5}$")


async def calls(client: Client):
    answer = wire(await client.call_tool("get_stock_price", {"symbol": "AAPL"}))
    same(answer["structuredContent"], {"symbol": "AAPL", "date": "2010-03-01", "price": 223.02})
    same(json.loads(answer["content"][0]["text"]), answer["structuredContent"])
    assert not answer.get("isError")


async def arguments(client: Client):
    answer = wire(await client.call_tool("price_history", {"symbol": "aapl", "limit": 0, "form": "x"}))
    same(answer["isError"], True)
    assert "structuredContent" not in answer
    text = answer["content"][0]["text"]
    for fault in ["`symbol` does not match", "`limit` is below", "did you mean `from`?"]:
        assert fault in text, text


async def unknown(client: Client):
    same((await refusal(client, "no_such_tool", {})).error.code, -32602)


async def alerts(client: Client):
    for price in [250, 300]:
        answer = wire(await client.call_tool("set_alert", {"symbol": "IBM", "when": "above", "price": price}))
        assert not answer.get("isError"), answer
    listed = wire(await client.call_tool("list_alerts", {}))["structuredContent"]["alerts"]
    same([alert["price"] for alert in listed], [250, 300])
    cleared = wire(await client.call_tool("clear_alerts", {"symbol": "IBM"}))["structuredContent"]
    same(cleared, {"symbol": "IBM", "removed": 2})


async def confirmation(client: Client, user: User):
    """The user's action decides. On 2026-07-28 a request state is valid once."""
    await client.call_tool("set_alert", {"symbol": "MSFT", "when": "below", "price": 20})
    for user.action, reason in [("decline", "confirmation_declined"), ("cancel", "confirmation_declined")]:
        answer = wire(await client.call_tool("clear_alerts", {"symbol": "MSFT"}))
        same([answer["isError"], answer["_meta"]["io.github.candor-mcp/reason"]], [True, reason])
        assert "`clear_alerts`" in user.question and '- `symbol`: `"MSFT"`' in user.question, user.question
    if client.protocol_version == "2026-07-28":
        await states(client)
    user.action = "accept"
    cleared = wire(await client.call_tool("clear_alerts", {"symbol": "MSFT"}))["structuredContent"]
    same(cleared, {"symbol": "MSFT", "removed": 1})


async def states(client: Client):
    async def call(symbol, **more):
        answer = await client.session.call_tool("clear_alerts", {"symbol": symbol}, allow_input_required=True, **more)
        return wire(answer)

    async def second_round(symbol, state, action):
        responses = {"io.github.candor-mcp/confirm": ElicitResult(action=action)}
        return await call(symbol, request_state=state, input_responses=responses)

    state = (await call("MSFT"))["requestState"]
    refusals = set()
    other = "A" if state[-5] != "A" else "B"
    for symbol, invalid in [("IBM", state), ("MSFT", state[:-5] + other + state[-4:]), ("MSFT", state[:20]), ("MSFT", "x")]:
        answer = await second_round(symbol, invalid, "accept")
        same(answer["_meta"]["io.github.candor-mcp/reason"], "confirmation_state")
        refusals.add(json.dumps(answer["content"]))
    same((await second_round("MSFT", state, "decline"))["_meta"]["io.github.candor-mcp/reason"], "confirmation_declined")
    # A refusal cannot be turned into consent with the same state.
    answer = await second_round("MSFT", state, "accept")
    same(answer["_meta"]["io.github.candor-mcp/reason"], "confirmation_state")
    same(refusals, {json.dumps(answer["content"])})


async def alone(transport: str, mode: str):
    """A client that cannot ask a user."""
    with tempfile.TemporaryDirectory() as folder:
        async with server(transport, folder, ALL) as target, Client(target, mode=mode) as client:
            answer = wire(await client.call_tool("clear_alerts", {"symbol": "IBM"}))
            same(answer["_meta"]["io.github.candor-mcp/reason"], "confirmation_unavailable")


async def scope(transport: str, mode: str):
    with tempfile.TemporaryDirectory() as folder:
        async with server(transport, folder, "read:prices") as target, Client(target, mode=mode) as client:
            same(sorted(tool.name for tool in (await client.list_tools()).tools), ["compare", "fetch_quote", "get_stock_price", "price_history"])
            error = (await refusal(client, "clear_alerts", {"symbol": "IBM"})).error
            same([error.code, error.data["missingScopes"]], [-31403, ["write:alerts"]])


def ended(folder: str):
    """Every process ended by itself, and wrote only messages on stdout."""
    codes = [path.read_text().strip() for path in pathlib.Path(folder).glob("*.code")]
    same(codes, ["0"] * len(list(pathlib.Path(folder).glob("*.stdout"))))
    for path in pathlib.Path(folder).glob("*.stdout"):
        for line in path.read_text().splitlines():
            same(json.loads(line)["jsonrpc"], "2.0")


async def one(transport: str, mode: str) -> dict:
    checks, revision = {}, None

    async def check(name, run):
        try:
            result = await run
            checks[name] = "ok"
            return result
        except Exception:
            checks[name] = traceback.format_exc(limit=-1).strip()

    with tempfile.TemporaryDirectory() as folder:
        user = User()
        async with server(transport, folder, ALL) as target:
            async with Client(target, mode=mode, elicitation_callback=user) as client:
                revision = client.protocol_version
                for name, run in [("list", lists), ("call", calls), ("arguments", arguments), ("unknown", unknown), ("alerts", alerts)]:
                    await check(name, run(client))
                await check("confirm", confirmation(client, user))
        await check("end", asyncio.to_thread(ended, folder))
    await check("scope", scope(transport, mode))
    await check("alone", alone(transport, mode))
    return {"revision": revision, "checks": checks}


for transport in os.environ.get("TRANSPORTS", "stdio http").split():
    for named, mode in [("default", "auto"), ("legacy", "legacy"), ("2026-07-28", "2026-07-28")]:
        try:
            result = asyncio.run(one(transport, mode))
        except BaseException:
            result = {"revision": None, "checks": {"connect": traceback.format_exc()}}
        print(json.dumps({"client": "mcp", "transport": transport, "mode": named, **result}), flush=True)
