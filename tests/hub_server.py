"""A server of the Hugging Face Hub's protocol, as far as a commit by the real client needs it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_" + "a" * 34


@dataclass
class Hub:
    """What was sent: repositories with their settings, and the files of the last commit."""

    address: str = ""
    repositories: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Answers of one connection."""

    hub: Hub

    def log_message(self, *_: object) -> None: ...

    def answer(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_PUT(self) -> None:
        data = self.body()
        self.hub.objects[hashlib.sha256(data).hexdigest()] = data
        self.answer({})

    def do_POST(self) -> None:
        data = self.body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer({"error": "Invalid credentials"}, 401)
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            asked = json.loads(data)
            self.hub.repositories.append(asked)
            self.answer({"url": f"{self.hub.address}/{asked['organization']}/{asked['name']}"})
        elif "/preupload/" in self.path:
            self.answer({"files": [self.mode(file["path"]) for file in json.loads(data)["files"]]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            upload = {"upload": {"href": f"{self.hub.address}/put"}}
            objects = [{**each, "actions": upload} for each in json.loads(data)["objects"]]
            self.answer({"transfer": "basic", "objects": objects})
        else:
            self.commit([json.loads(line) for line in data.splitlines()])

    @staticmethod
    def mode(path: str) -> dict[str, Any]:
        large = path.endswith(".safetensors")
        return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}

    def commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                self.hub.commits.append(value["summary"])
        oid = "0" * 40
        url = f"{self.hub.address}/lab/left/commit/{oid}"
        self.answer({"success": True, "commitOid": oid, "commitUrl": url})


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub on a free port of this machine."""
    hub = Hub()
    handler = type("HandlerOfHub", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
