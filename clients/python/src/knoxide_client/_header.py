"""Reads the `Authorization` header as Knoxide reads it."""

import re
from collections.abc import Iterable

from ._errors import NotAuthenticated

MAX_TOKEN_LENGTH = 4096

NOT_PROVIDED = "Authentication credentials were not provided."
EMPTY = "Invalid token header. No credentials provided."
SPACES = "Invalid token header. Token string should not contain spaces."
CHARACTERS = "Invalid token header. Token string should not contain invalid characters."
INVALID = "Invalid token."

_TOKEN = re.compile(r"[!-~]+")


def is_token(text: str) -> bool:
    """Whether this can be a token: visible ASCII of at most 4,096 characters. All else is refused without asking."""
    return len(text) <= MAX_TOKEN_LENGTH and _TOKEN.fullmatch(text) is not None


def find_token(header: str | Iterable[str] | None, keyword: str) -> str | None:
    """The token behind this keyword, or `None` if there are no credentials of this kind.

    Several headers are joined by a comma, as WSGI servers join them, and so contain no token.

    Raises `NotAuthenticated` if the header is malformed.
    """
    if header is None:
        return None
    joined = header if isinstance(header, str) else ",".join(header)
    # Not `str.split()`, which also splits at white space outside ASCII.
    words = [word for word in re.split("[ \t]", joined) if word]
    if not words or not words[0].isascii() or words[0].lower() != keyword.lower():
        return None
    if len(words) == 1:
        raise NotAuthenticated(EMPTY, keyword)
    if len(words) > 2:
        raise NotAuthenticated(SPACES, keyword)
    if not is_token(words[1]):
        raise NotAuthenticated(INVALID if words[1].isascii() else CHARACTERS, keyword)
    return words[1]
