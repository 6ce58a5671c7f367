"""Serves a small weather API on loopback for the example server `weather`, and prints its address."""

import http.server
import json
import urllib.parse

DAYS = [
    {"date": "2026-07-29", "low": 14, "high": 26.5, "rain": 20, "summary": "fair"},
    {"date": "2026-07-30", "low": 13, "high": 19, "rain": 90, "summary": "rain"},
]
CURRENT = {"at": "2026-07-28T12:00:00Z", "temperature": 24.5, "wind": 11, "summary": "sunny"}


class Api(http.server.BaseHTTPRequestHandler):
    is_busy = False

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        place = query["place"]
        if place == "nowhere":
            return self.answer(404, {"error": "unknown place"})
        if place == "busy once":
            Api.is_busy = not Api.is_busy
            if Api.is_busy:
                return self.answer(503, {"error": "try again"}, {"Retry-After": "1"})
        if url.path == "/v1/forecast":
            return self.answer(200, {"place": place, "days": DAYS[: int(query["days"])]})
        self.answer(200, {"place": place, **CURRENT})

    def answer(self, status: int, body: dict, headers: dict = {}):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
server.serve_forever()
