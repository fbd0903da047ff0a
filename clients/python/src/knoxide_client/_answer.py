"""Words the questions to Knoxide, and reads its replies (RFC 7662, section 2).

Whatever is not understood is `Unavailable`, never "no".
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from ._errors import ClientRefused, Unavailable, logged
from ._header import is_token
from ._session import Session, User

# The limits of one call: this many tokens, in a body of 1 MiB.
MOST_TOKENS = 1000
MOST_BYTES = 1024 * 1024 - 64

T = TypeVar("T")


def form(token: str, counts_as_use: bool) -> dict[str, str]:
    """The form that asks about one token."""
    return {"token": token, "counts_as_use": "true" if counts_as_use else "false"}


def batches(tokens: Sequence[str], counts_as_use: bool) -> Iterator[tuple[dict[str, object], int]]:
    """The bodies that ask about these tokens, each with the number of its tokens."""
    part: list[str] = []
    size = 0
    for token in tokens:
        # A string that cannot be a token is sent empty, so that it does not push others over the limit.
        known = token if is_token(token) else ""
        # In JSON: quotation marks, a comma, and at worst every character escaped.
        length = 2 * len(known) + 3
        if len(part) == MOST_TOKENS or size + length > MOST_BYTES:
            yield {"tokens": part, "counts_as_use": counts_as_use}, len(part)
            part, size = [], 0
        part.append(known)
        size += length
    if part:
        yield {"tokens": part, "counts_as_use": counts_as_use}, len(part)


def read_one(reply: httpx.Response) -> Session | None:
    """The session of a token. `None`: the token is not good."""
    return _verdict(_body(reply))


def read_many(reply: httpx.Response, asked: int) -> list[Session | None]:
    """The sessions of this many tokens, in their order."""
    body = _body(reply)
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list) or len(results) != asked:
        raise logged(Unavailable("the answer does not fit the question"))
    return [_verdict(result) for result in results]


def outage(error: httpx.HTTPError) -> Unavailable:
    """The error for a call that got no reply."""
    return logged(Unavailable(f"Knoxide does not answer: {type(error).__name__}: {error}"))


def _body(reply: httpx.Response) -> object:
    if reply.status_code in (401, 403):
        raise logged(ClientRefused(f"Knoxide refuses this client with {reply.status_code}: {_error(reply)}"))
    if reply.status_code != 200:
        raise logged(Unavailable(f"Knoxide answers {reply.status_code}", _retry_after(reply)))
    try:
        return reply.json()
    except ValueError:
        raise logged(Unavailable("the answer is no JSON: is the URL that of Knoxide?")) from None


def _error(reply: httpx.Response) -> str:
    """The code of the error (RFC 6749, section 5.2), if there is one."""
    try:
        return str(reply.json()["error"])
    except (ValueError, TypeError, KeyError):
        return "no code"


def _retry_after(reply: httpx.Response) -> int:
    value = reply.headers.get("Retry-After", "")
    return max(1, int(value)) if value.isascii() and value.isdigit() else 1


def _verdict(answer: object) -> Session | None:
    if not isinstance(answer, dict) or not isinstance(answer.get("active"), bool):
        raise logged(Unavailable("the answer says nothing about a token: is the URL that of Knoxide?"))
    if not answer["active"]:
        return None
    try:
        return _session(answer)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise logged(Unavailable(f"the answer about a good token is not understood: {error!r}")) from None


def _session(answer: dict[str, Any]) -> Session:
    user = User(
        id=int(_of(str, answer["sub"])),
        username=_of(str, answer["username"]),
        email=_of(str, answer["email"]),
        is_staff=_of(bool, answer["is_staff"]),
        is_admin=_of(bool, answer["is_admin"]),
    )
    expires = _time(answer["exp"]) if "exp" in answer else None
    return Session(_of(str, answer["sid"]), user, _of(str, answer["session"]["dialect"]), _time(answer["iat"]), expires)


def _of(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"no {kind.__name__}")
    return value


def _time(seconds: object) -> datetime:
    return datetime.fromtimestamp(_of(int, seconds), tz=UTC)
