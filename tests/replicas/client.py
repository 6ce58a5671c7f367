"""Calls tools over HTTP, as a client of revision 2026-07-28 or of an earlier one with a session."""

import http.client
import itertools
import json
import time
import urllib.parse

MODERN, LEGACY = "2026-07-28", "2025-11-25"
OWN = "io.github.candor-mcp/"
TASKS = "io.modelcontextprotocol/tasks"
IDS = itertools.count(1)


class Unanswered(Exception):
    """The call may or may not have run: the connection broke, or the proxy had no answer."""


class SessionGone(Exception):
    """The replica does not know the session."""


class Answer:
    """The answer to a call."""

    def __init__(self, message):
        self.message = message
        self.result = message.get("result", {})
        self.meta = self.result.get("_meta", {})
        self.reason = self.meta.get(OWN + "reason") or message.get("error", {}).get("data", {}).get("reason")
        self.value = self.result.get("structuredContent")
        self.text = "".join(block.get("text", "") for block in self.result.get("content", []))
        self.is_replayed = self.meta.get(OWN + "replayed", False)
        self.is_transient = self.meta.get(OWN + "transient", False)
        self.is_ok = "error" not in message and not self.result.get("isError", False)

    def __repr__(self):
        return json.dumps(self.message)


def post(url, body, headers, timeout):
    """Sends one request over a connection of its own. Returns the status, the headers and the text."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "connection": "close",
    } | headers
    try:
        connection.request("POST", address.path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(repr(error)) from error
    finally:
        connection.close()


def message(text):
    """Returns the JSON-RPC answer in a body, which may be a stream of events."""
    if text.startswith("{"):
        return json.loads(text)
    data = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
    messages = [json.loads(line) for line in data if line.strip()]
    answers = [message for message in messages if "result" in message or "error" in message]
    if not answers:
        raise Unanswered(f"no answer in {text!r}")
    return answers[-1]


class Client:
    """A client without a session."""

    def __init__(self, url, timeout=60, token=None):
        self.url, self.timeout = url, timeout
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    def request(self, method, params, name):
        capabilities = {"elicitation": {"form": {}}, "extensions": {TASKS: {}}}
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "replicas", "version": "0"},
        }
        params = params | {"_meta": meta | params.get("_meta", {})}
        body = {"jsonrpc": "2.0", "id": next(IDS), "method": method, "params": params}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method, "mcp-name": name} | self.headers
        status, _, text = post(self.url, body, headers, self.timeout)
        if status in (502, 504) or not text:
            raise Unanswered(f"status {status}")
        return Answer(message(text))

    def call(self, tool, arguments, key=None, **params):
        """Calls a tool once."""
        meta = {OWN + "idempotency-key": key} if key else {}
        return self.request("tools/call", {"name": tool, "arguments": arguments, "_meta": meta} | params, tool)

    def settle(self, tool, arguments, key, deadline=120, is_patient=False):
        """Calls a tool under a key until the answer is final, as a client must that wants its call done.

        A patient client waits as long as a refusal asks for.
        """
        end = time.monotonic() + deadline
        while True:
            wait = 0.1
            try:
                answer = self.call(tool, arguments, key)
                wait = answer.meta.get(OWN + "retry-after-seconds", wait) if is_patient else wait
                if not answer.is_transient and answer.reason != "shutting_down":
                    return answer
            except Unanswered as error:
                answer = error
            assert time.monotonic() < end, f"no final answer: {answer!r}"
            time.sleep(wait)


class Session:
    """A client with a session."""

    def __init__(self, url, timeout=60):
        self.url, self.timeout, self.begun = url, timeout, 0
        self.begin()

    def begin(self):
        params = {
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "replicas", "version": "0"},
        }
        body = {"jsonrpc": "2.0", "id": next(IDS), "method": "initialize", "params": params}
        status, headers, text = post(self.url, body, {}, self.timeout)
        assert status == 200, (status, text)
        self.id, self.begun = headers["mcp-session-id"], self.begun + 1
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        status, _, text = post(self.url, done, self.headers(), self.timeout)
        assert status in (200, 202), (status, text)

    def headers(self):
        return {"mcp-session-id": self.id, "mcp-protocol-version": LEGACY}

    def call_once(self, tool, arguments, url=None):
        """Calls a tool in the session."""
        params = {"name": tool, "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": next(IDS), "method": "tools/call", "params": params}
        status, _, text = post(url or self.url, body, self.headers(), self.timeout)
        if status == 404:
            raise SessionGone(text)
        if status in (502, 504):
            raise Unanswered(f"status {status}")
        return Answer(message(text))

    def call(self, tool, arguments):
        """Calls a tool, and begins a new session if the old one is gone, as the protocol asks of clients."""
        try:
            return self.call_once(tool, arguments)
        except SessionGone:
            self.begin()
            return self.call_once(tool, arguments)
