"""`GET /entries`, `POST /entries` (plain text), `GET /healthz`; with the argument `check` only reads the settings."""

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from guestbook import VERSION, settings
from guestbook.store import Store

PORT = 8080


class Handler(BaseHTTPRequestHandler):
    store = None

    def do_GET(self):
        if self.path == "/healthz":
            self.answer(200, {"status": "ok"})
        elif self.path == "/entries":
            self.answer(200, {"version": VERSION, "entries": self.store.entries()})
        else:
            self.answer(404, {"error": "not found"})

    def do_POST(self):
        if self.path != "/entries":
            return self.answer(404, {"error": "not found"})
        length = int(self.headers.get("Content-Length") or 0)
        if length > 64 * 1024:
            return self.answer(413, {"error": "the request is too large"})
        try:
            self.store.add(self.rfile.read(length).decode())
        except ValueError as error:
            return self.answer(400, {"error": str(error)})
        return self.answer(201, {"status": "added"})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        # Probes come every few seconds.
        if self.path != "/healthz":
            super().log_request(code, size)


def make_server(store, port=PORT):
    handler = type("StoreHandler", (Handler,), {"store": store})
    return ThreadingHTTPServer(("", port), handler)


def main():
    try:
        values = settings.read()
    except settings.SettingsError as error:
        sys.exit(f"error: {error}")
    if sys.argv[1:] == ["check"]:
        print(f"guestbook {VERSION}: settings are fine: {values}", flush=True)
        return
    server = make_server(Store(values))
    # The first process of a container ignores signals that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"guestbook {VERSION} listens on {PORT}", flush=True)
    server.serve_forever()
