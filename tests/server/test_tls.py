"""The server speaks TLS itself when it has a certificate."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import websockets

from tests.certificates import NAME, make_certificate
from tests.real_server import RealServer
from tests.waiting_for import until

MB = 1024 * 1024


class TlsServer(RealServer):
    """A server with a certificate, and how to call it."""

    def __init__(self, state: Path, folder: Path) -> None:
        super().__init__(state)
        certificate, key = make_certificate(folder)
        self.trust = ssl.create_default_context(cafile=str(certificate))
        self.environment |= {
            "HARNESS_TLS_CERTIFICATE": str(certificate),
            "HARNESS_TLS_KEY": str(key),
            "HARNESS_PUBLIC_URL": f"https://{NAME}:{self.port}",
        }
        self.url = f"https://127.0.0.1:{self.port}"

    def is_healthy(self) -> bool:
        """Whether /health answers with 200."""
        try:
            return json.loads(self.get("/health"))["status"] == "ok"  # type: ignore[no-any-return]
        except OSError:
            return False

    def get(self, path: str, method: str = "GET", body: object = None) -> bytes:
        """Call the API with the token, over TLS."""
        request = urllib.request.Request(  # noqa: S310  # always https on the loopback address
            self.url + path,
            method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30, context=self.trust) as answer:  # noqa: S310
            return bytes(answer.read())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsServer]:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    server = TlsServer(state, tmp_path)
    server.start()
    yield server
    for session in json.loads(server.get("/api/sessions")):
        if session["status"] in ("running", "waiting_checkpoint"):
            server.get(f"/api/sessions/{session['id']}/end", "POST", {"grace": 0})
    until(lambda: not list((state / "sessions").iterdir()), timeout=20)
    server.stop()


def test_nothing_is_served_without_tls(server: TlsServer) -> None:
    with pytest.raises(OSError, match=r"."):
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health", timeout=5)


def test_old_versions_of_tls_are_refused(server: TlsServer) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError, match=r"."):
        urllib.request.urlopen(f"{server.url}/health", timeout=5, context=old)  # noqa: S310


async def test_who_does_not_read_costs_no_memory_over_tls_either(server: TlsServer) -> None:
    program = ["sh", "-c", "head -c 60000000 /dev/zero | tr '\\0' x; sleep 60"]
    body = {"command": program, "workingDir": "/tmp"}
    url = f"wss://127.0.0.1:{server.port}/ws"
    headers = {"Authorization": f"Bearer {server.token}"}
    async with websockets.connect(
        url, ssl=server.trust, additional_headers=headers, max_queue=1, compression=None
    ) as socket:
        first = orjson.loads(await socket.recv())
        assert first["type"] == "initial-state"
        before = server.peak_memory()
        answer = await asyncio.to_thread(server.get, "/api/sessions", "POST", body)
        session_id = json.loads(answer)["id"]

        def all_archived() -> bool:
            session = json.loads(server.get(f"/api/sessions/{session_id}"))
            return bool(session["outputBytes"] >= 60_000_000)

        await asyncio.to_thread(until, all_archived, 60)
        assert server.peak_memory() - before < 40 * MB
