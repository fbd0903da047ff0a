"""The session and the user of a good token."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class User:
    """A user, as Knoxide knew it when it was asked."""

    id: int
    """The number of the user. It stays, while names change and can be given to another user later."""

    username: str
    email: str

    is_staff: bool
    """The staff flag, which Knoxide stores for applications."""

    is_admin: bool
    """Whether the user may administer Knoxide."""

    is_authenticated: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device, which the token belongs to."""

    id: str
    user: User

    dialect: str
    """Which endpoints the token comes from, such as `knox`."""

    issued: datetime
    """When the token was issued."""

    expires: datetime | None
    """When the token expires; `None`: never. It can be revoked at any moment before: ask again for each request."""
