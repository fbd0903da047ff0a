"""Both clients, against a server whose replies the test chooses."""

import base64
import json
import logging
import os
import pickle
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conftest import CLIENT_ID, GOOD, SECRET, TOKEN, Asker, Fake, reply
from knoxide_client import (
    AsyncClient,
    Client,
    ClientRefused,
    KnoxideError,
    NotAuthenticated,
    Session,
    Unavailable,
    User,
)


def test_a_good_token_has_a_session(asker: Asker, fake: Fake) -> None:
    fake.replies = [reply(GOOD)]
    user = User(id=7, username="Zoë 山", email="zoë@example.com", is_staff=True, is_admin=False)
    issued, expires = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 4, 4, 5, tzinfo=UTC)
    expected = Session("019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c", user, "knox", issued, expires)
    client = asker.client(fake.url)
    assert client.check(TOKEN) == expected
    assert client.authenticate(f"Token {TOKEN}") == expected
    assert user.is_authenticated


def test_a_token_without_end(asker: Asker, fake: Fake) -> None:
    fake.replies = [reply({name: value for name, value in GOOD.items() if name != "exp"})]
    assert asker.client(fake.url).check(TOKEN).expires is None


def test_a_token_that_is_not_good_has_none(asker: Asker, fake: Fake) -> None:
    client = asker.client(fake.url)
    assert client.check(TOKEN) is None
    with pytest.raises(NotAuthenticated, match=r"^Invalid token\.$"):
        client.authenticate([f"Token {TOKEN}"])


def test_the_request_is_that_of_the_standard(asker: Asker, fake: Fake) -> None:
    asker.client(f"{fake.url}/below", client_id="a b", secret="c:+é").check("a+b%=&c")
    [(line, headers, body)] = fake.requests
    assert line == "POST /below/introspect/ HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"a+b:c%3A%2B%C3%A9").decode()
    assert body == "token=a%2Bb%25%3D%26c&counts_as_use=true"


@pytest.mark.parametrize("text", ["", "a b", "a\n", "é", "a\x00", "a" * 4097])
def test_what_cannot_be_a_token_is_not_sent(asker: Asker, fake: Fake, text: str) -> None:
    assert asker.client(fake.url).check(text) is None
    assert fake.requests == []


NEEDED = [name for name in GOOD if name not in ("active", "exp", "token_type")]
TEXTS = ("username", "email", "sid")
WITHOUT = [{name: value for name, value in GOOD.items() if name != gone} for gone in NEEDED]
OTHERS: list[Any] = [None, [], 1.5, {}]
WRONG = [GOOD | {name: wrong} for name in [*NEEDED, "exp"] for wrong in OTHERS]
WRONG += [GOOD | {name: "x"} for name in [*NEEDED, "exp"] if name not in TEXTS]
BODIES = ["", "no JSON", "null", "[]", "{}", "\xff", '{"active":false', '{"active":"false"}']
ACTIVE: list[Any] = [0, 1, None, "true", []]


@pytest.mark.parametrize(
    "answer",
    [
        *(reply({"active": False}, status) for status in (201, 204, 301, 400, 404, 405, 413, 429, 500, 502, 503, 504)),
        *map(reply, BODIES),
        *(reply({"active": active}) for active in ACTIVE),
        *map(reply, WITHOUT),
        *map(reply, WRONG),
        reply({"active": False})[:-1],
        b"",
        b"no HTTP\r\n\r\n",
    ],
)
def test_everything_else_is_an_outage_and_no_refusal(asker: Asker, fake: Fake, answer: bytes) -> None:
    fake.replies = [answer]
    with pytest.raises(Unavailable) as outage:
        asker.client(fake.url, timeout=0.2).check(TOKEN)
    assert not isinstance(outage.value, NotAuthenticated)
    assert (outage.value.status, outage.value.headers) == (503, {"Retry-After": "1"})
    assert pickle.loads(pickle.dumps(outage.value)).reason == outage.value.reason


def test_a_server_that_is_down_or_silent_is_an_outage(asker: Asker) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match="ConnectError"):
            asker.client(url).check(TOKEN)
        silent.listen()
        with pytest.raises(Unavailable, match="ReadTimeout"):
            asker.client(url, timeout=0.1).check(TOKEN)
    with pytest.raises(Unavailable):
        asker.client("unix:/nowhere/knoxide.sock").authenticate(f"Token {TOKEN}")


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_of_the_application_are_an_outage_of_their_own(asker: Asker, fake: Fake, status: int) -> None:
    fake.replies = [reply({"error": "invalid_client"}, status)]
    with pytest.raises(ClientRefused, match=f"{status}: invalid_client") as refused:
        asker.client(fake.url).check(TOKEN)
    assert refused.value.status == 503


@pytest.mark.parametrize(("header", "seconds"), [("Retry-After: 30\r\n", 30), ("Retry-After: soon\r\n", 1), ("", 1)])
def test_how_long_to_wait_is_passed_on(asker: Asker, fake: Fake, header: str, seconds: int) -> None:
    fake.replies = [reply("", 429, header)]
    with pytest.raises(Unavailable) as outage:
        asker.client(fake.url).check(TOKEN)
    assert (outage.value.retry_after, outage.value.headers) == (seconds, {"Retry-After": str(seconds)})


def test_connections_are_kept_and_answers_are_not(asker: Asker, fake: Fake) -> None:
    fake.replies = [reply(GOOD), reply({"active": False})]
    client = asker.client(fake.url)
    assert client.check(TOKEN) is not None
    assert client.check(TOKEN) is None
    assert (len(fake.requests), fake.connections) == (2, 1)


def test_a_connection_that_was_closed_meanwhile_costs_no_error(asker: Asker, fake: Fake) -> None:
    fake.replies = [b"", reply(GOOD), b"", b"", reply(GOOD)]
    client = asker.client(fake.url)
    assert client.check(TOKEN) is not None
    with pytest.raises(Unavailable):
        client.check(TOKEN)
    assert len(fake.requests) == 4


def test_a_unix_socket(asker: Asker, tmp_path: Path) -> None:
    fake = Fake(tmp_path / "knoxide.sock")
    fake.replies = [reply(GOOD)]
    assert asker.client(fake.url).check(TOKEN) is not None
    assert fake.requests[0][0] == "POST /introspect/ HTTP/1.1"
    fake.close()


def test_a_certificate_is_verified(asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, tls = tmp_path / "certificate.pem", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    make_certificate(certificate)
    tls.load_cert_chain(certificate)
    fake = Fake(tls=tls)
    fake.replies = [reply(GOOD)]
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        asker.client(fake.url).check(TOKEN)
    assert fake.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert asker.client(fake.url).check(TOKEN) is not None
    fake.close()


def make_certificate(path: Path) -> None:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(pem[0]) + key.private_bytes(*pem))


def test_many_tokens_keep_their_order(asker: Asker, fake: Fake) -> None:
    fake.replies = [reply({"results": [{"active": False}, GOOD, {"active": False}]})]
    results = asker.client(fake.url).check_many(["a", TOKEN, "no token"])
    assert [result and result.user.id for result in results] == [None, 7, None]
    [(line, headers, body)] = fake.requests
    assert (line, headers["content-type"]) == ("POST /check/ HTTP/1.1", "application/json")
    assert body == f'{{"tokens":["a","{TOKEN}",""],"counts_as_use":false}}'


def test_whether_a_check_counts_as_use_can_be_said(asker: Asker, fake: Fake) -> None:
    fake.replies = [reply({"active": False}), reply({"results": [{"active": False}]})]
    client = asker.client(fake.url)
    client.check(TOKEN, counts_as_use=False)
    client.check_many([TOKEN], counts_as_use=True)
    assert [body[-19:] for _, _, body in fake.requests] == ["counts_as_use=false", 'ounts_as_use":true}']


@pytest.mark.parametrize("results", [[], [GOOD], [GOOD, GOOD, GOOD], [GOOD, {}], [GOOD, None], "ab", None])
def test_many_answers_that_do_not_fit_are_an_outage(asker: Asker, fake: Fake, results: Any) -> None:
    fake.replies = [reply({"results": results})]
    with pytest.raises(Unavailable):
        asker.client(fake.url).check_many(["a", "b"])


@pytest.mark.parametrize(
    ("tokens", "sizes"),
    [([], []), (["a"] * 1000, [1000]), (["a"] * 1001, [1000, 1]), (["\\" * 4096] * 256, [127, 127, 2])],
)
def test_many_tokens_are_asked_about_in_parts(asker: Asker, fake: Fake, tokens: list[str], sizes: list[int]) -> None:
    fake.replies = [reply({"results": [{"active": False}] * size}) for size in sizes] or [b""]
    assert asker.client(fake.url).check_many(tokens) == [None] * len(tokens)
    assert [len(json.loads(body)["tokens"]) for _, _, body in fake.requests] == sizes
    assert all(len(body) <= 1024 * 1024 for _, _, body in fake.requests)


def test_secrets_stay_out_of_texts_and_logs(asker: Asker, fake: Fake, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.replies = [
        reply(GOOD),
        reply("", 500),
        b"",
        b"no HTTP\r\n\r\n",
        reply({"error": "invalid_client"}, 401),
        reply({"active": True}),
    ]
    client = asker.client(fake.url)
    texts = [repr(client.client), repr(client.check(TOKEN))]
    for _ in range(4):
        with pytest.raises(KnoxideError) as error:
            client.check(TOKEN)
        texts += [repr(error.value), str(error.value)]
    texts.append(caplog.text)
    assert "a token could not be checked: Knoxide answers 500" in caplog.text
    credentials = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
    assert not [text for text in texts for secret in (TOKEN, SECRET, credentials) if secret in text]


def test_no_proxy_of_the_environment_gets_the_secret(asker: Asker, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Fake()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    assert asker.client(fake.url).check(TOKEN) is None
    assert (len(fake.requests), proxy.connections) == (1, 0)
    proxy.close()


def test_a_fork_has_connections_of_its_own(fake: Fake) -> None:
    fake.replies = [reply(GOOD)]
    with Client(fake.url, CLIENT_ID, SECRET) as client:
        assert client.check(TOKEN) is not None
        child = os.fork()
        if child == 0:
            os._exit(0 if client.check(TOKEN) is not None else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert client.check(TOKEN) is not None
    assert (len(fake.requests), fake.connections) == (3, 2)


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.com",
        "http://10.0.0.1:8080",
        "http://127.0.0.1.example.com",
        "http://[::2]",
        "ftp://127.0.0.1",
        "127.0.0.1:8080",
        "/run/knoxide.sock",
        "unix:run/knoxide.sock",
        "https://",
        "https://user:word@auth.example.com",
        "https://auth.example.com/?a=b",
        "https://auth.example.com/#a",
        "http://[",
        "",
    ],
)
def test_a_url_that_is_wrong_or_not_safe_is_refused(asker: Asker, url: str) -> None:
    with pytest.raises(ValueError, match="Knoxide|clear text|Unix socket") as error:
        asker.client(url)
    assert "word" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["https://auth.example.com/a", "http://127.9.9.9", "http://[::1]:80", "http://localhost:8080"]
)
def test_a_safe_url_is_taken(asker: Asker, url: str) -> None:
    asker.client(url)


def test_clear_text_can_be_allowed(asker: Asker) -> None:
    asker.client("http://auth.example.com", insecure_http=True)


def test_the_secret_comes_from_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    wanted = "Basic " + base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
    monkeypatch.setenv("KNOXIDE_URL", fake.url)
    monkeypatch.setenv("KNOXIDE_CLIENT_ID", CLIENT_ID)
    monkeypatch.delenv("KNOXIDE_CLIENT_SECRET", raising=False)
    with pytest.raises(KeyError, match="KNOXIDE_CLIENT_SECRET"):
        Client.from_env()
    monkeypatch.setenv("KNOXIDE_CLIENT_SECRET", SECRET)
    clients = [Client(fake.url, CLIENT_ID, secret_file=file), Client.from_env()]
    monkeypatch.setenv("KNOXIDE_CLIENT_SECRET_FILE", str(file))
    clients.append(Client.from_env())
    for client in clients:
        with client:
            client.check(TOKEN)
    assert [headers["authorization"] for _, headers, _ in fake.requests] == [wanted] * 3


def test_a_secret_that_cannot_be_right_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    with pytest.raises(ValueError, match="secret"):
        Client("http://127.0.0.1", CLIENT_ID)
    with pytest.raises(ValueError, match="secret"):
        Client("http://127.0.0.1", CLIENT_ID, SECRET, secret_file=empty)
    with pytest.raises(ValueError, match="secret"):
        Client("http://127.0.0.1", CLIENT_ID, "")
    with pytest.raises(ValueError, match="secret"):
        Client("http://127.0.0.1", CLIENT_ID, secret_file=empty)
    with pytest.raises(OSError, match="nowhere"):
        AsyncClient("http://127.0.0.1", CLIENT_ID, secret_file=tmp_path / "nowhere")
