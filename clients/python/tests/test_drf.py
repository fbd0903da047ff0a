"""The authentication class, in the views of a site without a database."""

from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.test import override_settings

settings.configure(ROOT_URLCONF=__name__, INSTALLED_APPS=[], REST_FRAMEWORK={"UNAUTHENTICATED_USER": None})
django.setup()

from django.urls import path  # noqa: E402
from rest_framework.authentication import BasicAuthentication  # noqa: E402
from rest_framework.permissions import IsAdminUser, IsAuthenticated  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from conftest import CLIENT_ID, GOOD, SECRET, TOKEN, Fake, reply  # noqa: E402
from knoxide_client import Session  # noqa: E402
from knoxide_client.drf import TokenAuthentication, default_client  # noqa: E402


class Notes(APIView):
    authentication_classes: list[type] = [TokenAuthentication]
    permission_classes: list[type] = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        user, auth = request.user, request.auth
        return Response(
            [user.pk, user.get_username(), str(user), user.email, user.is_active, user.is_anonymous, auth.id]
        )


class Staff(Notes):
    permission_classes = [IsAdminUser]


class Twice(Notes):
    authentication_classes = [TokenAuthentication, BasicAuthentication]


class SiteAuthentication(TokenAuthentication):
    keyword = "Bearer"

    def get_user(self, session: Session) -> Any:
        return f"user {session.user.id} of this site"


class Mapped(APIView):
    authentication_classes = [SiteAuthentication]

    def get(self, request: Request) -> Response:
        return Response(request.user)


urlpatterns = [path(view.__name__.lower(), view.as_view()) for view in (Notes, Staff, Twice, Mapped)]


@pytest.fixture
def get(fake: Fake) -> Iterator[Callable[..., Any]]:
    def get(name: str, header: str | None = None) -> Any:
        return APIClient().get(f"/{name}", headers={"Authorization": header} if header is not None else {})

    with override_settings(
        KNOXIDE={"URL": fake.url, "CLIENT_ID": CLIENT_ID, "SECRET": SECRET}, ALLOWED_HOSTS=["testserver"]
    ):
        yield get
        default_client().close()
    default_client.cache_clear()


def test_a_good_token_is_the_user(get: Callable[..., Any], fake: Fake) -> None:
    fake.replies = [reply(GOOD)]
    answer = get("notes", f"token {TOKEN}")
    assert answer.status_code == 200
    assert answer.json() == [7, "Zoë 山", "Zoë 山", "zoë@example.com", True, False, GOOD["sid"]]
    assert get("staff", f"Token {TOKEN}").status_code == 200
    fake.replies = [reply(GOOD | {"is_staff": False})]
    assert get("staff", f"Token {TOKEN}").status_code == 403


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, "Authentication credentials were not provided."),
        ("Bearer a", "Authentication credentials were not provided."),
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Token é", "Invalid token header. Token string should not contain invalid characters."),
        (f"Token {TOKEN}", "Invalid token."),
    ],
)
def test_refusals_are_those_of_the_framework(get: Callable[..., Any], header: str | None, detail: str) -> None:
    answer = get("notes", header)
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})
    assert answer["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize("answer", [b"", reply("", 503, "Retry-After: 7\r\n"), reply({"error": "invalid_client"}, 401)])
def test_an_outage_is_no_refusal(get: Callable[..., Any], fake: Fake, answer: bytes) -> None:
    fake.replies = [answer]
    for view in ("notes", "twice"):
        got = get(view, f"Token {TOKEN}")
        assert got.status_code == 503
        assert got.json() == {"detail": "Service temporarily unavailable, try again later."}
        assert got["Retry-After"] == ("7" if b"Retry-After" in answer else "1")
        assert not got.has_header("WWW-Authenticate")


def test_the_user_can_be_one_of_the_site(get: Callable[..., Any], fake: Fake) -> None:
    fake.replies = [reply(GOOD)]
    assert get("mapped", f"Bearer {TOKEN}").json() == "user 7 of this site"
    assert get("mapped", "Bearer a b")["WWW-Authenticate"] == "Bearer"


def test_the_user_has_no_permission_of_the_site(get: Callable[..., Any], fake: Fake) -> None:
    fake.replies = [reply(GOOD)]
    session = default_client().check(TOKEN)
    assert session is not None
    user = TokenAuthentication().get_user(session)
    assert user == TokenAuthentication().get_user(session)
    assert not (
        user.has_perm("a.view_b") or user.has_perms(["a.view_b"]) or user.has_module_perms("a") or user.is_superuser
    )
    with pytest.raises(AttributeError):
        user.id = 8
