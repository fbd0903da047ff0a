"""Both clients, against a real server.

`tests/it/client_packages.rs` starts one and sets the variables; without them these tests are skipped.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from conftest import Asked, Asker
from knoxide_client import ClientRefused, NotAuthenticated

pytestmark = pytest.mark.skipif(
    "KNOXIDE_TEST_USER" not in os.environ, reason="tests/it/client_packages.rs starts the server"
)

OPTIONS = {"client_id": os.environ.get("KNOXIDE_CLIENT_ID"), "secret": os.environ.get("KNOXIDE_CLIENT_SECRET")}


class User:
    """The user of the tests, as the server has it."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.name = os.environ["KNOXIDE_TEST_USER"]

    def login(self, path: str = "/auth/login/") -> str:
        body = {"username": self.name, "password": os.environ["KNOXIDE_TEST_PASSWORD"]}
        answer = self._http.post(path, json=body).raise_for_status().json()
        return str(answer.get("token") or answer["access"])

    def refresh_token(self) -> str:
        body = {"username": self.name, "password": os.environ["KNOXIDE_TEST_PASSWORD"]}
        return str(self._http.post("/jwt/create/", json=body).raise_for_status().json()["refresh"])

    def logout(self, token: str) -> None:
        self._http.post("/auth/logout/", headers={"Authorization": f"Token {token}"}).raise_for_status()


@pytest.fixture
def user() -> Iterator[User]:
    with httpx.Client(base_url=os.environ["KNOXIDE_URL"], trust_env=False) as http:
        yield User(http)


@pytest.fixture(params=["KNOXIDE_URL", "KNOXIDE_TEST_SOCKET"], ids=["tcp", "socket"])
def client(asker: Asker, request: pytest.FixtureRequest) -> Asked:
    return asker.client(os.environ[request.param], **OPTIONS)


def test_a_session_is_known_until_it_ends(client: Asked, user: User) -> None:
    token = user.login()
    session = client.check(token)
    assert (session.user.username, session.user.is_authenticated) == (user.name, True)
    assert (session.user.is_staff, session.user.is_admin) == (False, False)
    assert (session.dialect, session.expires) == ("knox", None)
    assert client.authenticate(f"Token {token}") == session
    user.logout(token)
    assert client.check(token) is None
    with pytest.raises(NotAuthenticated):
        client.authenticate(f"Token {token}")


def test_a_jwt_has_an_end_and_a_refresh_token_is_none(client: Asked, user: User) -> None:
    session = client.check(user.login("/jwt/create/"))
    assert session.dialect == "djoser"
    assert (session.expires - session.issued).total_seconds() == 300
    assert client.check(user.refresh_token()) is None


def test_many_are_not_mixed_up(client: Asked, user: User) -> None:
    live, dead = user.login(), user.login()
    user.logout(dead)
    tokens = [live, dead, "unknown", "no token", "", live, "\ud800", "a" * 5000] * 150
    sessions = client.check_many(tokens)
    assert [session and session.user.username for session in sessions] == [
        user.name if token == live else None for token in tokens
    ]


@pytest.mark.parametrize(
    "wrong", [{"secret": "wrong"}, {"client_id": "019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c"}, {"client_id": "é"}]
)
def test_a_wrong_client_is_no_verdict(asker: Asker, user: User, wrong: dict[str, Any]) -> None:
    client = asker.client(os.environ["KNOXIDE_URL"], **OPTIONS | wrong)
    ask: Callable[..., Any]
    for ask, what in ((client.check, "a"), (client.check_many, ["a"])):
        with pytest.raises(ClientRefused, match="401: invalid_client"):
            ask(what)
