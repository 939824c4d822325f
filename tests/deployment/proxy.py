"""A real nginx with the configuration that is shipped, in front of servers of this machine."""

from __future__ import annotations

import json
import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import websockets

from tests.certificates import NAME, make_certificate
from tests.deployment.files import DEPLOY
from tests.engines import free_port
from tests.real_server import RealServer
from tests.waiting_for import until

# Debian keeps it where only root looks.
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


@dataclass(frozen=True)
class Reply:
    """What was answered, whatever the status."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Proxy:
    """`nginx.conf` as it is; only the files of places are written for this machine.

    Browsers find it at `public_url`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.plain_port = free_port(), free_port()
        self.public_url = f"https://{NAME}:{self.port}"
        self.host = f"{NAME}:{self.port}"
        self.log = folder / "access.log"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        certificate, _ = make_certificate(folder)
        self.trust = ssl.create_default_context(cafile=str(certificate))
        shutil.copy(DEPLOY / "nginx/nginx.conf", folder)
        tls = ["ssl_certificate server.pem;", "ssl_certificate_key server.key;"]
        log = [f"access_log {self.log} harness;"]
        self._write("user", [])
        self._write("https", [f"listen 127.0.0.1:{self.port} ssl;", *tls, *log])
        self._write("http", [f"listen 127.0.0.1:{self.plain_port};", "access_log off;"])

    def _write(self, place: str, lines: Sequence[str]) -> None:
        file = self.folder / "places" / f"{place}.conf"
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self, web_ports: Sequence[int]) -> None:
        """Start nginx in front of these web processes, and wait until it listens."""
        self._write("web-processes", web_processes([f"127.0.0.1:{port}" for port in web_ports]))
        command = [*command_for(self.folder), "-g", f"daemon off; {pid_of(self.folder)}"]
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        until(self._listens, timeout=10)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "error.log").read_text()
        try:
            return self.ask("GET", "/metrics").status == 404
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it, and all of its workers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send a request over TLS, with the public name unless another `Host` is given."""
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.trust)
        return answered(connection, method, path, {"Host": self.host, **(headers or {})}, body)

    def ask_plainly(self, path: str, headers: Mapping[str, str]) -> Reply:
        """Send a request to where nothing but the way to TLS is told."""
        connection = HTTPConnection("127.0.0.1", self.plain_port, timeout=30)
        return answered(connection, "GET", path, headers)

    def stream(self, origin: str, headers: Mapping[str, str]) -> Any:
        """Open a live stream over TLS."""
        return websockets.connect(
            f"wss://{self.host}/ws",
            host="127.0.0.1",
            port=self.port,
            ssl=self.trust,
            origin=origin,  # type: ignore[arg-type]  # any text will do
            additional_headers=headers,
            compression=None,
            max_size=None,
        )


def web_processes(addresses: Sequence[str]) -> list[str]:
    """Return the lines of the shipped places, for other addresses."""
    shipped = (DEPLOY / "nginx/debian/web-processes.conf").read_text(encoding="utf-8")
    kinds = dict.fromkeys(re.findall(r"(?m)^server \S+ (.*)$", shipped))
    return [f"server {address} {kind}" for kind in kinds for address in addresses]


def command_for(folder: Path) -> list[str]:
    """Return what starts nginx with the configuration in this folder."""
    configuration = ["-p", str(folder), "-c", str(folder / "nginx.conf")]
    return [NGINX, "-e", str(folder / "error.log"), *configuration]


def pid_of(folder: Path) -> str:
    """Return the directive that keeps the process's number there, so that none stops another's."""
    return f"pid {folder}/nginx.pid;"


def answered(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> Reply:
    """Ask, read the whole answer, and hang up."""
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def place(proxy: Proxy) -> dict[str, str]:
    """Return the variables of a web process behind it: whom it believes, where its pages live."""
    return {"HARNESS_PUBLIC_URL": proxy.public_url, "HARNESS_TRUSTED_PROXIES": "127.0.0.1"}


def stand_behind(proxy: Proxy, server: RealServer) -> None:
    """Set the server up as a web process behind the proxy; it does not run yet."""
    server.public_url = proxy.public_url
    server.environment |= place(proxy)


class Browser:
    """What a browser sends, as far as the server looks at it; keeps cookies."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    @property
    def cookie(self) -> str:
        """The header with all cookies."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def open(self, path: str) -> Reply:
        """Open a page."""
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
        return self._keep(self._proxy.ask("GET", path, {"Cookie": self.cookie, **headers}))

    def post(self, path: str, form: dict[str, str], **headers: str) -> Reply:
        """Send a form as a script of the page does."""
        token = re.search(r'name="csrf-token" content="([^"]+)"', self.open("/login").body.decode())
        assert token is not None
        own = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": self.cookie,
            "Origin": self._proxy.public_url,
            "Sec-Fetch-Site": "same-origin",
            "X-CSRFToken": token[1],
        }
        body = urlencode(form).encode()
        return self._keep(self._proxy.ask("POST", path, {**own, **headers}, body))

    def log_in(self, link: str) -> Reply:
        """Open a one-time link: its secret is read by the page and posted."""
        return self.post("/login/link", {"token": link.partition("#token=")[2].strip()})

    def _keep(self, answer: Reply) -> Reply:
        for cookie in answer.headers.get_all("Set-Cookie", []):
            self.set_cookies.append(cookie)
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer
