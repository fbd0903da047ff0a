"""A server whose replies the test chooses, and a common interface to both clients."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from knoxide_client import AsyncClient, Client

TOKEN = "12caf9840aeb6bafa3a218e321c19095c70de298"
SECRET = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
CLIENT_ID = "notes"

GOOD: dict[str, Any] = {
    "active": True,
    "sub": "7",
    "username": "Zoë 山",
    "email": "zoë@example.com",
    "is_staff": True,
    "is_admin": False,
    "sid": "019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c",
    "token_type": "Token",
    "iat": 1767323045,
    "exp": 1767326645,
    "session": {"dialect": "knox"},
}


def reply(body: Any, status: int = 200, headers: str = "") -> bytes:
    """The bytes of a reply; a body that is not text is sent as JSON."""
    content = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content


class Fake:
    """Answers requests with the given replies in turn, then repeats the last. An empty reply closes the connection."""

    def __init__(self, at: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.replies: list[bytes] = [reply({"active": False})]
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self.connections = 0
        self._socket = socket.socket(socket.AF_UNIX if at else socket.AF_INET)
        self._socket.bind(str(at) if at else ("127.0.0.1", 0))
        self._socket.listen()
        self._tls = tls
        scheme = "https" if tls else "http"
        self.url = f"unix:{at}" if at else f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Wakes the accepting thread, which closing the socket does not.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # The client may close the connection at any time.
        with contextlib.suppress(ConnectionError, ssl.SSLError), connection:
            self._answer(self._tls.wrap_socket(connection, server_side=True) if self._tls else connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                headers: dict[str, str] = {}
                while header := stream.readline().decode().rstrip():
                    name, _, value = header.partition(": ")
                    headers[name.lower()] = value
                body = stream.read(int(headers.get("content-length", 0)))
                self.requests.append((line.decode().rstrip(), headers, body.decode()))
                answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if not answer:
                    return
                connection.sendall(answer)


class Asker:
    """One of the two clients; calls of the `async` one are run to completion."""

    def __init__(self, kind: type[Client] | type[AsyncClient]) -> None:
        self._kind = kind
        self._runner = asyncio.Runner()
        self._open: list[Client | AsyncClient] = []

    def client(self, url: str, **options: Any) -> "Asked":
        client = self._kind(url, options.pop("client_id", CLIENT_ID), options.pop("secret", SECRET), **options)
        self._open.append(client)
        return Asked(client, self._runner)

    def close(self) -> None:
        for client in self._open:
            Asked(client, self._runner).close()
        self._runner.close()


class Asked:
    """A client whose methods all block."""

    def __init__(self, client: Client | AsyncClient, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            return self._runner.run(result) if asyncio.iscoroutine(result) else result

        return call


@pytest.fixture(params=[Client, AsyncClient], ids=["blocking", "async"])
def asker(request: pytest.FixtureRequest) -> Iterator[Asker]:
    asker = Asker(request.param)
    yield asker
    asker.close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    fake = Fake()
    yield fake
    fake.close()
