"""The guestbook's front end: a page, a form, static files; everything else it asks of the back end."""

import json
import mimetypes
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pages

VERSION = "1.0"
PORT = 8080
HERE = Path(__file__).resolve().parent
GREETING = os.environ.get("GREETING", "Welcome")
BACKEND = os.environ.get("BACKEND", "http://backend:8080")


class BackendError(Exception):
    """What the back end or the way to it says."""


def ask_backend(data=None):
    """Asks for the entries, or adds one. Repeated while nobody listens: in a roll-out that lasts a moment."""
    for attempt in range(10):
        try:
            with urllib.request.urlopen(f"{BACKEND}/entries", data=data, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise BackendError(json.load(error)["error"]) from error
        except OSError as error:
            refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
            if attempt == 9 or not refused:
                raise BackendError(f"the back end cannot be reached: {error}") from error
        time.sleep(0.3)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            self.page()
        elif self.path == "/status":
            self.status()
        elif self.path == "/healthz":
            self.answer(200, "text/plain", b"ok\n")
        elif self.path.startswith("/static/"):
            self.static(self.path.removeprefix("/static/"))
        else:
            self.answer(404, "text/plain", b"not found\n")

    def do_POST(self):
        length = min(int(self.headers.get("Content-Length") or 0), 64 * 1024)
        form = urllib.parse.parse_qs(self.rfile.read(length).decode())
        try:
            ask_backend(form.get("text", [""])[0].encode())
        except BackendError as error:
            return self.page(problem=str(error))
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def page(self, problem=""):
        try:
            book = ask_backend()
        except BackendError as error:
            book, problem = {"version": "?", "entries": []}, str(error)
        styles = json.loads((HERE / "static/manifest.json").read_text())
        values = {
            "greeting": GREETING,
            "style": styles["style.css"],
            "problem": problem,
            "entries": book["entries"],
            "frontend": VERSION,
            "backend": book["version"],
        }
        page = pages.fill((HERE / "page.html").read_text(), values)
        self.answer(502 if book["version"] == "?" else 200, "text/html; charset=utf-8", page.encode())

    def status(self):
        """All of it in one line, for scripts."""
        try:
            book = ask_backend()
        except BackendError as error:
            return self.answer(502, "text/plain", f"{error}\n".encode())
        value = {
            "greeting": GREETING,
            "frontend": VERSION,
            "backend": book["version"],
            "entries": len(book["entries"]),
        }
        return self.answer(200, "application/json", json.dumps(value).encode() + b"\n")

    def static(self, name):
        file = HERE / "static" / name
        if "/" in name or name.startswith(".") or not file.is_file():
            return self.answer(404, "text/plain", b"not found\n")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self.answer(200, kind, file.read_bytes(), {"Cache-Control": "max-age=31536000, immutable"})

    def answer(self, status, kind, body, headers=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        # Probes come every few seconds.
        if self.path != "/healthz":
            super().log_request(code, size)


def main():
    server = ThreadingHTTPServer(("", int(sys.argv[1]) if sys.argv[1:] else PORT), Handler)
    # The first process of a container ignores signals that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"frontend {VERSION} listens on {server.server_port}, back end {BACKEND}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
