"""The errors of a check. Each has what a web application needs for its reply."""

import logging

log = logging.getLogger("knoxide_client")


class KnoxideError(Exception):
    """Why a request has no session: `NotAuthenticated` or `Unavailable`, never anything else."""

    status: int
    """The HTTP status of the reply."""

    detail: str
    """A sentence for the client that sent the request. It contains no secret and no address."""

    headers: dict[str, str]
    """The headers that belong to the reply."""


class NotAuthenticated(KnoxideError):
    """The request has no token, or one that is not good. The reply is 401."""

    status = 401

    def __init__(self, detail: str, keyword: str) -> None:
        super().__init__(detail, keyword)
        self.detail = detail
        self.headers = {"WWW-Authenticate": keyword}

    def __str__(self) -> str:
        return self.detail


class Unavailable(KnoxideError):
    """The token could not be checked, which says nothing about the token. The reply is 503.

    Never turn it into "not logged in": the client would throw away a good token.
    """

    status = 503
    detail = "Service temporarily unavailable, try again later."

    def __init__(self, reason: str, retry_after: int = 1) -> None:
        super().__init__(reason, retry_after)
        self.reason = reason
        """What happened, for the log of the application. It contains no secret."""
        self.retry_after = retry_after
        """After how many seconds to ask again."""
        self.headers = {"Retry-After": str(retry_after)}

    def __str__(self) -> str:
        return self.reason


class ClientRefused(Unavailable):
    """Knoxide refuses this application: its id or secret is wrong, or it lacks the right. Retrying is useless."""


def logged(error: Unavailable) -> Unavailable:
    """Logs the error, since the reply does not say what happened, and returns it."""
    log.warning("a token could not be checked: %s", error.reason)
    return error
