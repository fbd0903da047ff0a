"""Asks a Knoxide server which user the token of a request belongs to.

`Client` and `AsyncClient` ask, `Session` is the answer, and `NotAuthenticated` and `Unavailable` are the two ways not
to get one. `knoxide_client.drf` has an authentication class for Django REST framework.
"""

from ._client import AsyncClient, Client
from ._errors import ClientRefused, KnoxideError, NotAuthenticated, Unavailable
from ._session import Session, User

__all__ = [
    "AsyncClient",
    "Client",
    "ClientRefused",
    "KnoxideError",
    "NotAuthenticated",
    "Session",
    "Unavailable",
    "User",
]
