"""The clients: one for blocking code, and one for `async` code."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote_plus

import httpx

from ._address import read_url
from ._answer import batches, form, outage, read_many, read_one
from ._errors import NotAuthenticated
from ._header import INVALID, NOT_PROVIDED, find_token, is_token
from ._session import Session

# The server has just closed a connection that was kept open. A check changes nothing, so it is sent again.
_LOST_CONNECTION = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

# Idle connections are reused for half a minute; by default, Knoxide keeps them open for longer.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30)

Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)


class _Connection(Generic[Http]):
    """What both clients share: the address of Knoxide, and the credentials."""

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: str | None = None,
        *,
        secret_file: str | os.PathLike[str] | None = None,
        timeout: float = 2.0,
        insecure_http: bool = False,
    ) -> None:
        """`url` is `https://…`, `http://…` of a loopback address, or `unix:/path` of a socket.

        The secret is given as text, or as the file that contains it.
        `timeout`: how many seconds each step of a call may take (connecting, sending, waiting for the answer).
        `insecure_http` allows `http://` to other addresses, where tokens and the secret can be read in transit.

        Raises `ValueError` for a URL or a secret that cannot be right, and `OSError` if the file cannot be read.
        """
        self._base, self._socket = read_url(url, insecure_http)
        if (secret is None) == (secret_file is None):
            raise ValueError("give either the secret of the client or the file with it")
        if secret_file is not None:
            secret = Path(secret_file).read_text(encoding="utf-8").strip()
        if not client_id or not secret:
            raise ValueError("the id or the secret of the client is empty")
        # RFC 6749, section 2.3.1: both are form-encoded before they become Basic credentials.
        self._credentials = httpx.BasicAuth(quote_plus(client_id), quote_plus(secret))
        self._timeout = timeout
        self._process = os.getpid()
        self._http: Http = self._connect()

    @classmethod
    def from_env(cls) -> Self:
        """A client with the settings of the environment: `KNOXIDE_URL`, `KNOXIDE_CLIENT_ID`, and
        `KNOXIDE_CLIENT_SECRET_FILE` or `KNOXIDE_CLIENT_SECRET`.

        Raises what the constructor raises, and `KeyError` for a variable that is missing.
        """
        file = os.environ.get("KNOXIDE_CLIENT_SECRET_FILE")
        secret = None if file else os.environ["KNOXIDE_CLIENT_SECRET"]
        return cls(os.environ["KNOXIDE_URL"], os.environ["KNOXIDE_CLIENT_ID"], secret, secret_file=file)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._socket or self._base}>"

    def _connect(self) -> Http:
        raise NotImplementedError

    def _transport(self) -> dict[str, Any]:
        # Loading the certificate authorities takes longer than a hundred checks, and only TLS needs them.
        return {"uds": self._socket, "limits": _LIMITS, "verify": self._base.startswith("https:")}

    def _options(self) -> dict[str, Any]:
        # Proxies and .netrc of the environment are ignored: tokens and the secret are sent only to this address.
        return {"base_url": self._base, "auth": self._credentials, "timeout": self._timeout, "trust_env": False}

    def _current(self) -> Http:
        """The connections of this process: a forked process that used the same ones would read the other's answers."""
        if self._process != os.getpid():
            self._process, self._http = os.getpid(), self._connect()
        return self._http


class Client(_Connection[httpx.Client]):
    """The client for blocking code. Threads may share it."""

    def check(self, token: str, *, counts_as_use: bool = True) -> Session | None:
        """The session of a token, or `None` if the token is not good.

        `counts_as_use`: whether the session counts as used, for the idle limit of Knoxide.

        Raises `Unavailable` if it cannot be known whether the token is good.
        """
        if not is_token(token):
            return None
        return read_one(self._ask("introspect/", data=form(token, counts_as_use)))

    def check_many(self, tokens: Sequence[str], *, counts_as_use: bool = False) -> list[Session | None]:
        """The same for many tokens, in their order, by one call for each 1,000. The client needs the right `batch`."""
        parts = batches(tokens, counts_as_use)
        return [session for body, size in parts for session in read_many(self._ask("check/", json=body), size)]

    def authenticate(self, header: str | Iterable[str] | None, keyword: str = "Token") -> Session:
        """The session of the token in the `Authorization` header of a request, given as its value or all its values.

        Raises `NotAuthenticated` without a good token behind this keyword, and `Unavailable` if that is not known.
        """
        session = self.check(_required(header, keyword))
        if session is None:
            raise NotAuthenticated(INVALID, keyword)
        return session

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> httpx.Client:
        return httpx.Client(transport=httpx.HTTPTransport(**self._transport()), **self._options())

    def _ask(self, path: str, **body: Any) -> httpx.Response:
        http = self._current()
        try:
            try:
                return http.post(path, **body)
            except _LOST_CONNECTION:
                return http.post(path, **body)
        except httpx.HTTPError as error:
            raise outage(error) from error


class AsyncClient(_Connection[httpx.AsyncClient]):
    """The client for `async` code. Tasks of one event loop may share it."""

    async def check(self, token: str, *, counts_as_use: bool = True) -> Session | None:
        """As `Client.check`."""
        if not is_token(token):
            return None
        return read_one(await self._ask("introspect/", data=form(token, counts_as_use)))

    async def check_many(self, tokens: Sequence[str], *, counts_as_use: bool = False) -> list[Session | None]:
        """As `Client.check_many`."""
        parts = batches(tokens, counts_as_use)
        return [session for body, size in parts for session in read_many(await self._ask("check/", json=body), size)]

    async def authenticate(self, header: str | Iterable[str] | None, keyword: str = "Token") -> Session:
        """As `Client.authenticate`."""
        session = await self.check(_required(header, keyword))
        if session is None:
            raise NotAuthenticated(INVALID, keyword)
        return session

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _connect(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(**self._transport()), **self._options())

    async def _ask(self, path: str, **body: Any) -> httpx.Response:
        http = self._current()
        try:
            try:
                return await http.post(path, **body)
            except _LOST_CONNECTION:
                return await http.post(path, **body)
        except httpx.HTTPError as error:
            raise outage(error) from error


def _required(header: str | Iterable[str] | None, keyword: str) -> str:
    token = find_token(header, keyword)
    if token is None:
        raise NotAuthenticated(NOT_PROVIDED, keyword)
    return token
