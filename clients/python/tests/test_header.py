"""The `Authorization` header is read as Knoxide and Django REST framework read it."""

import pytest

from knoxide_client import NotAuthenticated
from knoxide_client._header import CHARACTERS, EMPTY, INVALID, SPACES, find_token, is_token


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("", None),
        (" \t ", None),
        ("Bearer x", None),
        ("Basic YTpi", None),
        ("Tokens x", None),
        ("Token: x", None),
        ("Tokenx", None),
        ("Token\xa0x", None),
        ("To\u212aen x", None),
        ("Token x", "x"),
        ("token x", "x"),
        ("\t tOkEn \t x ", "x"),
        ('Token "x",%', '"x",%'),
        (["Token x"], "x"),
        ([], None),
        (["Bearer a", "Token b"], None),
    ],
)
def test_one_token_behind_the_keyword(header: str | list[str] | None, token: str | None) -> None:
    assert find_token(header, "Token") == token


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Token", EMPTY),
        ("token \t", EMPTY),
        ("Token a b", SPACES),
        ("Token Token a", SPACES),
        ("Token a\tb", SPACES),
        (["Token a", "Token a"], SPACES),
        ("Token é", CHARACTERS),
        ("Token a\xa0b", CHARACTERS),
        ("Token a\x00b", INVALID),
        ("Token " + "a" * 4097, INVALID),
    ],
)
def test_a_malformed_header_is_refused(header: str | list[str], detail: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        find_token(header, "Token")
    assert (refused.value.status, refused.value.detail) == (401, detail)
    assert refused.value.headers == {"WWW-Authenticate": "Token"}


def test_the_longest_token_is_one() -> None:
    assert is_token("a" * 4096)
    assert not is_token("")
