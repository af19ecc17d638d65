"""A hub for one test, on loopback: what `huggingface_hub` asks when it uploads small files, and what was put there.

It speaks the part of the Hub's API that a commit of regular files takes: create a repository, list its files, ask how
each is to be sent, commit. Large files (LFS, Xet) are not served.
"""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_only_for_this_test"  # noqa: S105  # a word that this server and its test agree on


@dataclass
class Hub:
    """What lies on the hub."""

    address: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


@contextmanager
def served_hub() -> Iterator[Hub]:
    """Serve an empty hub for the length of a `with` block."""
    hub = Hub()

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: Hub

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(/revision/main|/tree/main)?", path):
            files = self.state.files.get(found[1])
            if files is None:
                self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            elif found[2] == "/tree/main":
                entries = [
                    {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                    for name, content in files.items()
                ]
                self._answer(200, entries)
            else:
                siblings = [{"rfilename": name} for name in files]
                self._answer(200, {"id": found[1], "sha": "0" * 40, "siblings": siblings})
            return
        self._answer(404, {"error": f"not served: {path}"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid username or password."})
        elif path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/preupload/main", path):
            files = json.loads(body)["files"]
            modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in files]
            self._answer(200, {"files": modes})
        elif found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/commit/main", path):
            self._commit(found[1], body)
        else:
            self._answer(404, {"error": f"not served: {path}"})

    def _create(self, wanted: dict[str, Any]) -> None:
        repo_id = f"{wanted['organization']}/{wanted['name']}"
        address = f"{self.state.address}/datasets/{repo_id}"
        if repo_id in self.state.files:
            self._answer(409, {"error": "You already created this dataset repo", "url": address})
            return
        self.state.files[repo_id] = {}
        self.state.private[repo_id] = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self._answer(200, {"url": address, "name": repo_id})

    def _commit(self, repo_id: str, body: bytes) -> None:
        files = self.state.files[repo_id]
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                self.state.commits.append(value["summary"])
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "deletedFile":
                files.pop(value["path"])
        oid = f"{len(self.state.commits):040x}"
        url = f"{self.state.address}/datasets/{repo_id}/commit/{oid}"
        self._answer(200, {"success": True, "commitUrl": url, "commitOid": oid})

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # named so by the base class
        """Stay silent: what is asked is the test's business."""
