"""An authentication class for Django REST framework."""

import functools
from dataclasses import fields
from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from ._client import Client
from ._errors import NotAuthenticated, Unavailable
from ._header import INVALID, find_token
from ._session import Session, User


@functools.cache
def default_client() -> Client:
    """The client of this process, made from the setting `KNOXIDE`, or from the environment if there is no such setting.

    `KNOXIDE` is a dictionary whose keys are the arguments of `Client` in capitals: `URL`, `CLIENT_ID`, `SECRET_FILE`, …
    """
    given = getattr(settings, "KNOXIDE", None)
    return Client.from_env() if given is None else Client(**{name.lower(): value for name, value in given.items()})


class TokenUser(User):
    """The user of a token, without a row in this site's database and without permissions on this site."""

    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_superuser: ClassVar[bool] = False

    @property
    def pk(self) -> int:
        """Used by the throttles of Django REST framework."""
        return self.id

    def get_username(self) -> str:
        return self.username

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return False

    def has_perms(self, perm_list: object, obj: object = None) -> bool:
        return False

    def has_module_perms(self, package_name: str) -> bool:
        return False

    def __str__(self) -> str:
        return self.username


class ServiceUnavailable(APIException):
    """The reply 503 for a token that could not be checked."""

    status_code = Unavailable.status
    default_detail = Unavailable.detail
    default_code = "unavailable"

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        # From this, Django REST framework makes the header `Retry-After`.
        self.wait = retry_after


class TokenAuthentication(BaseAuthentication):
    """Authenticates with the header `Authorization: Token …`; `request.auth` is the `Session`.

    A request without the keyword is left to the next authentication class.
    """

    keyword = "Token"

    def get_client(self) -> Client:
        """The client for checks; override this to use another one than the default."""
        return default_client()

    def get_user(self, session: Session) -> Any:
        """The value of `request.user`; override this to use the users of this site."""
        return TokenUser(*(getattr(session.user, field.name) for field in fields(User)))

    def authenticate(self, request: Request) -> tuple[Any, Session] | None:
        try:
            token = find_token(get_authorization_header(request).decode("latin-1"), self.keyword)
            if token is None:
                return None
            session = self.get_client().check(token)
        except NotAuthenticated as refused:
            raise AuthenticationFailed(_(refused.detail)) from None
        except Unavailable as outage:
            raise ServiceUnavailable(outage.retry_after) from outage
        if session is None:
            raise AuthenticationFailed(_(INVALID))
        return self.get_user(session), session

    def authenticate_header(self, request: Request) -> str:
        return self.keyword
