"""An HTTP server on loopback that serves files, as badly as it is told to."""

import dataclasses
import http.server
import threading


@dataclasses.dataclass
class FileServer:
    """What is served, and how.

    Attributes:
      files: Their contents, by path ("/name").
      requests: The headers of all requests for files, in order.
      validators: Headers that tell the version of a file.
      heeds_range: Whether it sends a rest when it is asked for one.
      heeds_if_range: Whether it looks if the rest is of the version that is asked for.
      statuses: What the next requests are answered with, before any file is sent.
      cuts: After how many bytes the line of each of the next answers breaks.
      stall_after: Of an answer's body, after which it sends nothing and waits.
      content_length: Adds this to the length that is told.
      content_type: Of all files.
    """

    files: dict = dataclasses.field(default_factory=dict)
    requests: list = dataclasses.field(default_factory=list)
    validators: dict = dataclasses.field(default_factory=lambda: {"ETag": '"1"'})
    heeds_range: bool = True
    heeds_if_range: bool = True
    statuses: list = dataclasses.field(default_factory=list)
    cuts: list = dataclasses.field(default_factory=list)
    stall_after: int | None = None
    stalled: threading.Event = dataclasses.field(default_factory=threading.Event)
    go_on: threading.Event = dataclasses.field(default_factory=threading.Event)
    content_length: int = 0
    content_type: str = "application/octet-stream"

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"what": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        # Of lines that are dropped from the other end.
        self._server.handle_error = lambda request, address: None
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def begins(self) -> list:
        """Where each request began to ask for a file; None for all of it."""
        ranges = [headers.get("Range") for headers in self.requests]
        return [r and int(r.removeprefix("bytes=").rstrip("-")) for r in ranges]


class _Handler(http.server.BaseHTTPRequestHandler):
    what: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        what = self.what
        if self.path.startswith("/moved/"):
            self._answer(302, {"Location": self.path.removeprefix("/moved")})
            return
        if self.path == "/round":
            self._answer(302, {"Location": "/round"})
            return
        what.requests.append(dict(self.headers))
        if what.statuses:
            self._answer(what.statuses.pop(0), {})
        elif self.path not in what.files:
            self._answer(404, {})
        else:
            self._send(what.files[self.path])

    def _send(self, content):
        what = self.what
        headers = {"Content-Type": what.content_type, **what.validators}
        begin, status = 0, 200
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in what.validators.values()
        if asked and what.heeds_range and (same or not what.heeds_if_range):
            begin, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
            end = f"{len(content) - 1}/{len(content)}"
            headers["Content-Range"] = f"bytes {begin}-{end}"
        self._answer(status, headers, content[begin:])

    def _answer(self, status, headers, body=b""):
        what = self.what
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + what.content_length))
        self.end_headers()
        if status >= 300:
            return
        if what.stall_after is not None:
            self.wfile.write(body[: what.stall_after])
            what.stalled.set()
            what.go_on.wait()
            self.close_connection = True
            return
        sent = body[: what.cuts.pop(0)] if what.cuts else body
        self.wfile.write(sent)
        self.close_connection = len(sent) < len(body) + what.content_length

    def log_message(self, *arguments):
        pass
