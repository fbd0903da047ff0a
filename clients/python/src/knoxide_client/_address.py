"""Where Knoxide is, and whether it is safe to send a secret there."""

from ipaddress import ip_address

import httpx


def read_url(url: str, insecure_http: bool) -> tuple[str, str | None]:
    """The base of all URLs, and the path of the Unix socket if `url` is `unix:/path`.

    Raises `ValueError` for a URL that cannot be used.
    """
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError("the path of a Unix socket begins with a slash: unix:/run/knoxide.sock")
        return "http://localhost/", path
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        # The message omits the URL, which may contain a password.
        raise ValueError("the URL of Knoxide is not understood") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the URL of Knoxide begins with https://, http:// or unix:/")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("the URL of Knoxide has no credentials, no query and no fragment")
    if parsed.scheme == "http" and not insecure_http and not _is_loopback(parsed.host):
        raise ValueError(
            "http:// sends the secret and all tokens in clear text: use https://, or insecure_http=True in a network "
            "where nobody else listens"
        )
    return str(parsed), None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
