"""Stands between a replica and its database: cuts connections, or lets them wait, as a network does that fails."""

import contextlib
import http.server
import socket
import threading


class Link:
    """A TCP proxy in front of one address."""

    def __init__(self, port):
        self.target, self.open = ("127.0.0.1", port), set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.is_up, self.flows = True, threading.Event()
        self.flows.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        self.flows.wait()
        if not self.is_up:
            return client.close()
        try:
            server = socket.create_connection(self.target, 10)
        except OSError:
            return client.close()
        server.settimeout(None)
        self.open |= {client, server}
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()
        return None

    def copy(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flows.wait()
                sink.sendall(data)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            self.open.discard(side)

    def cut(self):
        """Ends all connections, and refuses new ones."""
        self.is_up = False
        for side in list(self.open):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def freeze(self):
        """Keeps all connections open, and lets nothing through."""
        self.flows.clear()

    def restore(self):
        self.is_up = True
        self.flows.set()


class Exchange:
    """The service that the tool `fetch_quote` asks. It counts the requests."""

    def __init__(self):
        count, lock = [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with lock:
                    count.append(self.path)
                self.send_response(200)
                self.send_header("content-length", "5")
                self.end_headers()
                self.wfile.write(b"223.0")

            def log_message(self, *_):
                pass

        self.requests = count
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/quotes"
        threading.Thread(target=server.serve_forever, daemon=True).start()
