"""Receives the spans and metrics of `prices` by OTLP, over stdio and HTTP, and compares them with the conventions."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LINK = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REVISION = "2026-07-28"
spans, metrics = [], {}


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
        elif self.path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                metrics.update((metric.name, metric) for scope in resource.scope_metrics for metric in scope.metrics)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def call(tool, arguments, request_id, **fields):
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "collector", "version": "0"},
        **fields,
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params})


def attributes(span):
    return {pair.key: pair.value.string_value for pair in span.attributes}


def named(name):
    found = [span for span in spans if span.name == name]
    assert found, f"no span {name} among {sorted({span.name for span in spans})}"
    return found


def over_stdio(prices, endpoint):
    lines = [
        call("get_stock_price", {"symbol": "AAPL"}, 1, traceparent=f"00-{TRACE}-{PARENT}-01"),
        call("get_stock_price", {"symbol": "no such symbol"}, 2),
        call("no_such_tool", {}, 3),
    ]
    command = [prices, "serve", "--grant", "read:prices", "--otlp-endpoint", endpoint]
    served = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=60)
    assert served.returncode == 0, served.stderr
    assert len(served.stdout.splitlines()) == 3, served.stdout
    assert "telemetry:" not in served.stderr, served.stderr
    first = next(span for span in named("tools/call get_stock_price") if span.trace_id.hex() == TRACE)
    assert first.parent_span_id.hex() == PARENT and first.kind == first.SPAN_KIND_SERVER and first.status.code == 0
    expected = {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "get_stock_price",
        "gen_ai.operation.name": "execute_tool",
        "jsonrpc.request.id": "1",
        "mcp.protocol.version": REVISION,
        "network.transport": "pipe",
    }
    assert attributes(first) == expected, attributes(first)
    assert any(span.parent_span_id == first.span_id for span in named("handler"))
    unknown = attributes(named("tools/call")[0])
    assert unknown["rpc.response.status_code"] == "-32602" and "error.type" not in unknown, unknown
    assert not any("no_such_tool" in str(span) for span in spans)


def over_http(prices, endpoint):
    spans.clear()
    command = [prices, "serve", "--http", "127.0.0.1:0", "--grant", "read:prices", "--otlp-endpoint", endpoint]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = next(json.loads(line)["listening"] for line in server.stderr if line.startswith('{"listening"'))
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": REVISION,
        "mcp-method": "tools/call",
        "mcp-name": "get_stock_price",
        "traceparent": f"00-{LINK[0]}-{LINK[1]}-01",
    }
    body = call("get_stock_price", {"symbol": "AAPL"}, 1, traceparent=f"00-{TRACE}-{PARENT}-01").encode()
    with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=30) as response:
        assert response.status == 200
    server.send_signal(signal.SIGTERM)
    threading.Thread(target=server.stderr.read, daemon=True).start()
    assert server.wait(60) == 0
    span = named("tools/call get_stock_price")[0]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in span.links] == [LINK]
    assert attributes(span)["network.transport"] == "tcp"


def names(table):
    with open(table, encoding="utf-8") as rows:
        rows = [row.rstrip("\n").split("\t") for row in rows if not row.startswith("#")]
    return {kind: {row[1] for row in rows if row[0] == kind} for kind in {row[0] for row in rows}}


def main(prices, table):
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{receiver.server_port}"
    os.environ["NO_PROXY"] = "127.0.0.1"
    known = names(table)
    for check in over_stdio, over_http:
        check(prices, endpoint)
        for span in (span for span in spans if span.kind == span.SPAN_KIND_SERVER):
            unknown = {name for name in attributes(span) if not name.startswith("candor.")} - known["span"]
            assert not unknown, unknown
        unknown = {name for name in metrics if not name.startswith("candor.")} - known["metric"]
        assert not unknown, unknown
        duration = metrics["mcp.server.operation.duration"].histogram.data_points
        bounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
        assert duration and all(list(point.explicit_bounds) == bounds for point in duration)
        assert all(set(attributes(point)) <= known["metric_attribute"] for point in duration)
        print(f"{check.__name__}: {len(spans)} spans, {len(metrics)} metrics, as the conventions say")


main(*sys.argv[1:])
