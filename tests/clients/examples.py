"""Calls the example servers of `examples.json` with the Python clients `mcp` and FastMCP, over each transport, and prints a
line of JSON for each server."""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import traceback

import fastmcp
import mcp
from fastmcp.client.elicitation import ElicitResult as FastElicitResult
from fastmcp.client.transports import StdioTransport
from mcp.types import ElicitResult

EXAMPLES = json.loads((pathlib.Path(__file__).parent / "examples.json").read_text())


@contextlib.asynccontextmanager
async def served(transport: str, server: str, folder: str):
    """Provides a server: as the command to start it, or as the address at which it listens."""
    options = [option.replace("$FOLDER", folder).replace("$WEATHER_API", os.environ["WEATHER_API"]) for option in EXAMPLES[server]["options"]]
    program, env = f"{os.environ['PROGRAMS']}/{server}", {"PATH": os.environ["PATH"], "XDG_STATE_HOME": f"{folder}.state"}
    if transport == "stdio":
        yield program, ["serve", "--quiet", *options], env
        return
    with open(f"{folder}.stderr", "w") as stderr:
        process = subprocess.Popen([program, "serve", "--http", "127.0.0.1:0", *options], env=env, stdin=subprocess.DEVNULL, stderr=stderr)
    try:
        while not (lines := [line for line in pathlib.Path(f"{folder}.stderr").read_text().splitlines() if line.startswith("{")]):
            assert process.poll() is None, "the server ended"
            await asyncio.sleep(0.02)
        yield json.loads(lines[0])["listening"]
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 20)
    assert code == 0, f"the server ended with code {code}"


class Official:
    """The client of the package `mcp`."""

    name = "mcp"

    @contextlib.asynccontextmanager
    async def connect(self, target, questions: list):
        async def user(context, params):
            questions.append(params.message)
            return ElicitResult(action="accept", content={})

        if not isinstance(target, str):
            command, args, env = target
            target = mcp.StdioServerParameters(command=command, args=args, env=env)
        async with mcp.Client(target, elicitation_callback=user) as self.client:
            yield

    async def tools(self) -> int:
        return len((await self.client.list_tools()).tools)

    async def call(self, tool: str, arguments: dict):
        return await self.client.call_tool(tool, arguments)

    async def resource(self, uri: str) -> str:
        return (await self.client.read_resource(uri)).contents[0].text

    async def prompt(self, name: str):
        return await self.client.get_prompt(name)


class FastMcp(Official):
    """The client of the package `fastmcp`."""

    name = "fastmcp"

    @contextlib.asynccontextmanager
    async def connect(self, target, questions: list):
        async def user(message, response_type, params, context):
            questions.append(message)
            return FastElicitResult(action="accept")

        if not isinstance(target, str):
            target = StdioTransport(*target, keep_alive=False)
        async with fastmcp.Client(target, elicitation_handler=user) as self.client:
            yield

    async def tools(self) -> int:
        return len(await self.client.list_tools())

    async def call(self, tool: str, arguments: dict):
        return await self.client.call_tool_mcp(tool, arguments)

    async def resource(self, uri: str) -> str:
        return (await self.client.read_resource(uri))[0].text


def check(call: dict, answer: dict, questions: list):
    text = "\n".join(block["text"] for block in answer["content"] if block["type"] == "text")
    shown = f"{call}: {answer}"
    assert bool(answer.get("isError")) == ("error" in call), shown
    assert call.get("error", call.get("text", "")) in text, shown
    data = answer.get("structuredContent") or {}
    assert {key: data.get(key) for key in call.get("data", {})} == call.get("data", {}), shown
    assert len(questions) == ("asked" in call), f"{call}: {questions}"
    assert all(call["asked"] in question for question in questions), f"{call}: {questions}"


async def run(client: Official, transport: str, server: str):
    example, questions = EXAMPLES[server], []
    with tempfile.TemporaryDirectory() as parent:
        folder = f"{parent}/data"
        os.mkdir(folder)
        async with served(transport, server, folder) as target, client.connect(target, questions):
            assert await client.tools() == example["tools"]
            for call in example["calls"]:
                questions.clear()
                answer = await client.call(call["tool"], call["arguments"])
                check(call, answer.model_dump(by_alias=True, exclude_none=True, mode="json"), questions)
            for uri, text in example.get("resources", {}).items():
                assert await client.resource(uri) == text, uri
            for name, text in example.get("prompts", {}).items():
                assert text in (await client.prompt(name)).messages[0].content.text, name


for client in [Official(), FastMcp()]:
    for transport in ["stdio", "http"]:
        for server in EXAMPLES:
            try:
                asyncio.run(run(client, transport, server))
                result = "ok"
            except BaseException:
                result = traceback.format_exc()
            print(json.dumps({"client": client.name, "transport": transport, "server": server, "result": result}), flush=True)
