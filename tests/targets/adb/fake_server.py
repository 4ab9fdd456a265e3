"""A server that speaks adb's protocol, so that a real ``adb`` talks to a device that does not exist.

https://android.googlesource.com/platform/packages/modules/adb: OVERVIEW.TXT, SERVICES.TXT, SYNC.TXT, shell_protocol.h.
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.targets.adb.fake_adb import FakeAdb

VERSION = 41
"""Of the protocol; a client of another one ends the server."""


class _Conversation(socketserver.StreamRequestHandler):
    fake: FakeAdb

    def handle(self) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            self._serve()

    def _serve(self) -> None:
        serial = ""
        while True:
            service = self._exactly(int(self._exactly(4), 16)).decode()
            devices = json.loads((self.fake.folder / "state.json").read_text())["devices"]
            if service == "host:version":
                return self._say(f"{VERSION:04x}")
            if service == "host:devices":
                return self._say("".join(f"{name}\t{state}\n" for name, state in devices.items()))
            if service.startswith("host-serial:") or service == "host:features":
                return self._say("shell_v2,cmd")
            if service.startswith(("host:tport:serial:", "host:transport:")):
                serial = service.rpartition(":")[2]
                if devices.get(serial) != "device":
                    return self._fail(f"device '{serial}' not found")
                self.wfile.write(b"OKAY" + (struct.pack("<Q", 1) if "tport" in service else b""))
            elif service.startswith("shell"):
                return self._shell(serial, service.partition(":")[2])
            elif service == "sync:":
                return self._sync(serial)
            else:
                return self._fail(f"unknown service {service}")

    def _exactly(self, size: int) -> bytes:
        content = self.rfile.read(size)
        if len(content) < size:
            raise EOFError
        return content

    def _say(self, text: str) -> None:
        self.wfile.write(b"OKAY" + f"{len(text):04x}{text}".encode())

    def _fail(self, text: str) -> None:
        self.wfile.write(b"FAIL" + f"{len(text):04x}{text}".encode())

    def _shell(self, serial: str, command: str) -> None:
        self.wfile.write(b"OKAY")
        done = self._ask(serial, "shell", command)
        for kind, content in ((1, done.stdout), (2, done.stderr), (3, bytes([done.returncode & 0xFF]))):
            if content:
                self.wfile.write(struct.pack("<BI", kind, len(content)) + content)

    def _sync(self, serial: str) -> None:
        self.wfile.write(b"OKAY")
        path, content = "", b""
        while True:
            kind, size = struct.unpack("<4sI", self._exactly(8))
            if kind == b"QUIT":
                return
            if kind == b"DONE":
                self._store(serial, path, content)
            elif kind in {b"STAT", b"LST2", b"STA2"}:
                self._exactly(size)
                self.wfile.write(b"STAT" + bytes(12))
            elif kind == b"SEND":
                path, content = self._exactly(size).decode().rpartition(",")[0], b""
            else:
                content += self._exactly(size)

    def _store(self, serial: str, path: str, content: bytes) -> None:
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(content)
            done = self._ask(serial, "push", file.name, path)
        reason = b"" if done.returncode == 0 else b"couldn't create file: No space left on device"
        self.wfile.write((b"FAIL" if reason else b"OKAY") + struct.pack("<I", len(reason)) + reason)

    def _ask(self, serial: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([str(self.fake.folder / "adb"), "-s", serial, *words], capture_output=True)


@contextmanager
def serving(fake: FakeAdb) -> Iterator[int]:
    """Serve a device that only exists in a folder; yields the port."""
    handler = type("Conversation", (_Conversation,), {"fake": fake})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
