"""A stand-in of the Hugging Face Hub: the part of its HTTP API that pushing and loading a model takes, in memory."""

import base64
import fnmatch
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_standInForTests0123456789"
"""The one token that may write, and read what is private."""


class Repository:
    """Files by revision; branches and tags name commits."""

    def __init__(self, private):
        self.private = private
        self.commits = {"0" * 40: {}}
        self.names = {"main": "0" * 40}
        self.messages = []

    def sha(self, revision):
        return self.names.get(revision, revision if revision in self.commits else None)

    def files(self, revision="main"):
        return self.commits[self.sha(revision)]

    def commit(self, branch, message, changes):
        """Commit changes, None for what is deleted, and return the commit's name."""
        files = {**self.files(branch), **changes}
        sha = hashlib.sha1(f"{len(self.commits)}".encode()).hexdigest()
        self.commits[sha] = {path: content for path, content in files.items() if content is not None}
        self.names[branch] = sha
        self.messages.append(message)
        return sha


class Hub:
    """What is stored, and the requests that came."""

    def __init__(self):
        self.repositories = {}
        self.objects = {}
        self.requests = []
        self.url = ""


def handler(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def answer(self, status, value=b"", **headers):
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name.replace("_", "-"), text)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def refuse(self, status, code, message):
            self.answer(status, {"error": message}, X_Error_Code=code, X_Error_Message=message)

        @property
        def known(self):
            return self.headers.get("Authorization") == f"Bearer {TOKEN}"

        def route(self):
            path = unquote(urlsplit(self.path).path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hub.requests.append((self.command, path, self.headers.get("Authorization")))
            if path == "/api/repos/create":
                return self.create(json.loads(body))
            if path == "/api/validate-yaml":
                return self.answer(200, {"warnings": [], "errors": []})
            if found := re.fullmatch(r"/objects/(\w+)", path):
                hub.objects[found[1]] = body
                assert hashlib.sha256(body).hexdigest() == found[1]
                return self.answer(200)
            for pattern, method in (
                (r"/api/models/([^/]+/[^/]+)/preupload/(.+)", self.preupload),
                (r"/api/models/([^/]+/[^/]+)/commit/(.+)", self.commit),
                (r"/api/models/([^/]+/[^/]+)/tree/(.+)", self.tree),
                (r"/api/models/([^/]+/[^/]+)/revision/(.+)", self.info),
                (r"/api/models/([^/]+/[^/]+)", self.info),
                (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.batch),
                (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.file),
            ):
                if found := re.fullmatch(pattern, path):
                    name, *rest = found.groups()
                    repository = hub.repositories.get(name)
                    if repository is None or (repository.private and not self.known):
                        return self.refuse(404 if self.known else 401, "RepoNotFound", "Repository not found")
                    if self.command not in ("GET", "HEAD") and not self.known:
                        return self.refuse(401, "", "Invalid credentials")
                    return method(repository, body, *([name] if method == self.commit else []), *rest)
            return self.answer(404, {"error": f"no {self.command} {path}"})

        do_GET = do_HEAD = do_POST = do_PUT = route

        def create(self, asked):
            name = f"{asked['organization']}/{asked['name']}"
            if not self.known:
                return self.refuse(401, "", "Invalid credentials")
            there = name in hub.repositories
            if not there:
                hub.repositories[name] = Repository(asked.get("visibility") == "private")
            return self.answer(409 if there else 200, {"url": f"{hub.url}/{name}", "name": name})

        def preupload(self, repository, body, revision):
            files = json.loads(body)["files"]
            large = ("*.safetensors", "*.png")
            modes = ["lfs" if any(fnmatch.fnmatch(file["path"], p) for p in large) else "regular" for file in files]
            return self.answer(200, {"files": [
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}
                for file, mode in zip(files, modes, strict=True)
            ]})  # fmt: skip

        def batch(self, repository, body):
            return self.answer(200, {"transfer": "basic", "objects": [
                {**each, "actions": {"upload": {"href": f"{hub.url}/objects/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]})  # fmt: skip

        def commit(self, repository, body, name, revision):
            if revision not in repository.names:
                return self.refuse(404, "RevisionNotFound", "Invalid rev id")
            changes: dict[str, bytes | None] = {}
            message = ""
            for line in body.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                match entry["key"]:
                    case "header":
                        message = value["summary"]
                    case "file":
                        changes[value["path"]] = base64.b64decode(value["content"])
                    case "lfsFile":
                        changes[value["path"]] = hub.objects[value["oid"]]
                    case "deletedFile":
                        changes[value["path"]] = None
            sha = repository.commit(revision, message, changes)
            return self.answer(200, {"commitUrl": f"{hub.url}/{name}/commit/{sha}", "commitOid": sha, "success": True})

        def tree(self, repository, body, revision):
            if (sha := repository.sha(revision)) is None:
                return self.refuse(404, "RevisionNotFound", "Invalid rev id")
            return self.answer(200, [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in repository.commits[sha].items()
            ])  # fmt: skip

        def info(self, repository, body, revision="main"):
            if (sha := repository.sha(revision)) is None:
                return self.refuse(404, "RevisionNotFound", "Invalid rev id")
            names = [{"rfilename": path} for path in repository.commits[sha]]
            return self.answer(200, {"id": "x/y", "sha": sha, "siblings": names, "tags": [], "private": False})

        def file(self, repository, body, revision, path):
            sha = repository.sha(revision)
            content = None if sha is None else repository.commits[sha].get(path)
            if content is None:
                return self.refuse(404, "RevisionNotFound" if sha is None else "EntryNotFound", "not found")
            return self.answer(200, content, ETag=f'"{hashlib.sha256(content).hexdigest()}"', X_Repo_Commit=sha)

    return Handler


@contextmanager
def hub_server():
    """Serve an empty hub, which is given, on this machine while in here."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
