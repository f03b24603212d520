"""A real server on 127.0.0.1: files, a folder as a mirror, a Hugging Face endpoint, a proxy, with faults.

with Loopback() as server:
    server.files["/models/a.pth"] = content
    server.faults["/models/a.pth"] = [Cut(1000), Status(500)]  # the first two answers; then as it should be
    ...
    assert [request.range for request in server.asked] == ["", "bytes=1000-", "bytes=1000-"]
"""

import hashlib
import random
import select
import socket
import ssl
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

# A file to serve, and where.
CONTENT = random.Random(1).randbytes(300_000)
PATH = "/models/net-1a2b3c4d.pth"
CERTIFICATE = Path(__file__).with_name(
    "loopback.pem"
)  # of 127.0.0.1 and mirror.example, with its key, to 2126


class Cut(NamedTuple):
    """The whole is announced and the connection closed after so many bytes of what was asked for."""

    after: int


class Status(NamedTuple):
    """An answer without the file."""

    code: int
    headers: dict[str, str] = {}


class Stall(NamedTuple):
    """So many bytes, then nothing for so many seconds."""

    after: int
    seconds: float


class Held(NamedTuple):
    """So many bytes, then nothing until the test says so."""

    after: int
    go_on: threading.Event


class Astray(NamedTuple):
    """The file from elsewhere than asked for, which the answer says."""

    start: int


class Whole(NamedTuple):
    """The file from its start, whatever range was asked for; perhaps without saying how long it is."""

    announced: bool = True


class Request(NamedTuple):
    method: str
    path: str
    range: str
    headers: dict[str, str]


class Loopback:
    def __init__(self, folder: Path | None = None, certificate: Path | None = None):
        """Serves `folder`, if given, and `files`; by TLS if `certificate` is one, with its key."""
        self.folder = folder
        self.files: dict[str, bytes] = {}
        self.said: dict[str, dict[str, str]] = {}  # more headers, by path
        self.faults: dict[str, list] = defaultdict(list)
        self.asked: list[Request] = []
        self.tunnel: tuple[str, int] | None = None  # where a proxy's CONNECT leads to, whatever it names
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"loopback": self}))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def hub(self, repository: str, file: str, content: bytes, *, location: str = "") -> str:
        """Keep a file as huggingface.co does; `location`: where its bytes are, if not here."""
        path = f"/{repository}/resolve/main/{file}"
        self.files[path] = content
        self.said[path] = {
            "X-Repo-Commit": "0123456789abcdef0123456789abcdef01234567",
            "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Linked-Size": str(len(content)),
            # Whoever believes these goes to another store for the bytes.
            "X-Xet-Hash": 64 * "a",
            "Link": f'<{self.address}/xet-token>; rel="xet-auth"',
            **({"Location": location} if location else {}),
        }
        return path

    def content(self, path: str) -> bytes | None:
        if path in self.files:
            return self.files[path]
        if self.folder is None:
            return None
        file = (self.folder / path.lstrip("/")).resolve()
        inside = file.is_relative_to(self.folder.resolve()) and file.is_file()
        return file.read_bytes() if inside else None

    @property
    def downloads(self) -> list[Request]:
        return [request for request in self.asked if request.method == "GET"]

    def __enter__(self) -> "Loopback":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Answers(BaseHTTPRequestHandler):
    loopback: Loopback
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *args: object) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        self.close_connection = True
        path = unquote(urlsplit(self.path).path)  # a proxy is asked for a whole address
        wanted = self.headers.get("Range", "")
        self.loopback.asked.append(Request(self.command, self.path, wanted, dict(self.headers)))
        faults = self.loopback.faults.get(path, [])
        fault = faults.pop(0) if faults and body else None
        content = self.loopback.content(path)
        if isinstance(fault, Status):
            return self._say(fault.code, {"Content-Length": "0", **fault.headers})
        if content is None:
            return self._say(404, {"Content-Length": "0"})
        more = self.loopback.said.get(path, {})
        if "Location" in more:
            return self._say(302, {"Content-Length": "0", **more})
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if isinstance(fault, Astray):
            start = fault.start
        if wanted and not isinstance(fault, Whole):
            if start >= len(content):
                return self._say(416, {"Content-Length": "0", "Content-Range": f"bytes */{len(content)}"})
            more = {**more, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            code, content = 206, content[start:]
        else:
            code = 200
        if not (isinstance(fault, Whole) and not fault.announced):
            more = {**more, "Content-Length": str(len(content))}
        self._say(code, more)
        if body:
            self._send(content, fault)

    def _say(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, content: bytes, fault: object) -> None:
        try:
            if isinstance(fault, Cut | Stall | Held):
                self.wfile.write(content[: fault.after])
                self.wfile.flush()
                if isinstance(fault, Cut):
                    return
                if isinstance(fault, Held):
                    fault.go_on.wait(30)
                else:
                    time.sleep(fault.seconds)
                content = content[fault.after :]
            self.wfile.write(content)
        except OSError:  # the client has gone, as some of the tests want it to
            pass

    def do_CONNECT(self) -> None:
        """Be a tunnel to another loopback server."""
        self.close_connection = True
        self.loopback.asked.append(Request("CONNECT", self.path, "", dict(self.headers)))
        assert self.loopback.tunnel
        with socket.create_connection(self.loopback.tunnel) as far:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: far, far: self.connection}
            while True:
                for end in select.select(list(ends), [], [], 10)[0]:
                    piece = end.recv(1 << 16)
                    if not piece:
                        return
                    ends[end].sendall(piece)
