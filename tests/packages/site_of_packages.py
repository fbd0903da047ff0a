"""A Django site with the five set-ups that Knoxide imitates, for scripts/compare.

    python site_of_packages.py            creates the tables of the database
    gunicorn site_of_packages             serves the site

DATABASE names the SQLite file. The users, the tokens and the secret are those of
tests/fixtures/users.json. Wherever a package has a view, that view answers. Requests below /-/ are not
for the packages: with them, the player of the transcripts moves the clock, deactivates and activates
users, and resets the site to fresh users.
"""

import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import django
import jwt
import time_machine
from django.conf import settings

FIXTURE = json.loads((Path(__file__).parent.parent / "fixtures" / "users.json").read_text(encoding="utf-8"))
LIFETIMES = {name: {key: timedelta(seconds=s) for key, s in of.items()} for name, of in FIXTURE["lifetimes"].items()}
DRF_JWT, SIMPLEJWT, ACCESS_TOKEN = LIFETIMES["000"], LIFETIMES["001"], LIFETIMES["003"]


def encode(payload):
    """JWT_ENCODE_HANDLER, since that of djangorestframework-jwt expects bytes from PyJWT."""
    return jwt.encode(payload, settings.SECRET_KEY, algorithm="HS256")


def decode(token):
    """JWT_DECODE_HANDLER, since that of djangorestframework-jwt calls PyJWT as version 1 was called."""
    return jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"])


def let_the_old_package_be_imported():
    """djangorestframework-jwt 1.8.0 imports three names that Django 4 and PyJWT 2 no longer have."""
    from django.utils import encoding, translation

    translation.ugettext = translation.gettext
    encoding.smart_text = encoding.smart_str
    jwt.ExpiredSignature = jwt.ExpiredSignatureError


settings.configure(
    SECRET_KEY=FIXTURE["jwt"]["secret"],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sessions",
        "rest_framework",
        "rest_framework.authtoken",
        "knox",
        "rest_framework_simplejwt.token_blacklist",
    ],
    # As `django-admin startproject` writes it, without messages.
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend", f"{__name__}.ByEmail"],
    # Every format that Django writes. Hashes are upgraded to the first, which is the cheapest.
    PASSWORD_HASHERS=[
        f"django.contrib.auth.hashers.{name}PasswordHasher"
        for name in ("MD5", "PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt")
    ],
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    REST_KNOX={"AUTH_TOKEN_CHARACTER_LENGTH": 40, "TOKEN_TTL": None},
    JWT_AUTH={
        "JWT_ALLOW_REFRESH": True,
        "JWT_EXPIRATION_DELTA": DRF_JWT["token"],
        "JWT_REFRESH_EXPIRATION_DELTA": DRF_JWT["refresh_window"],
        "JWT_ENCODE_HANDLER": f"{__name__}.encode",
        "JWT_DECODE_HANDLER": f"{__name__}.decode",
    },
    SIMPLE_JWT={
        "ACCESS_TOKEN_LIFETIME": SIMPLEJWT["access"],
        "REFRESH_TOKEN_LIFETIME": SIMPLEJWT["refresh"],
    },
    # Tracebacks of requests at which a package crashes are not needed here.
    LOGGING={"version": 1, "loggers": {"django.request": {"level": "CRITICAL"}}},
)
let_the_old_package_be_imported()
django.setup()

from django.contrib.auth.backends import ModelBackend  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils.dateparse import parse_datetime  # noqa: E402
from knox import views as knox  # noqa: E402
from knox.auth import TokenAuthentication  # noqa: E402
from knox.models import AuthToken  # noqa: E402
from rest_framework.authtoken.serializers import AuthTokenSerializer  # noqa: E402
from rest_framework.exceptions import ValidationError  # noqa: E402
from rest_framework.generics import GenericAPIView  # noqa: E402
from rest_framework.permissions import AllowAny, IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_jwt import serializers as drf_jwt  # noqa: E402
from rest_framework_jwt import views as drf_jwt_views  # noqa: E402
from rest_framework_jwt.utils import jwt_payload_handler  # noqa: E402
from rest_framework_simplejwt import views as simplejwt  # noqa: E402
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer  # noqa: E402
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken  # noqa: E402


class ByEmail(ModelBackend):
    """Behaves like a user model whose users log in with their e-mail address."""

    def authenticate(self, request, email=None, password=None, **others):
        user = None if email is None or password is None else User.objects.filter(email=email).first()
        if user is not None and user.check_password(password) and self.user_can_authenticate(user):
            return user
        return None


class KnoxLogin(knox.LoginView):
    """Login by name and password in the body, as in the package's documentation."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request, format=None):
        serializer = AuthTokenSerializer(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        request.user = serializer.validated_data["user"]
        return super().post(request, format=format)


class WhoAmI(APIView):
    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({"id": request.user.pk, "username": request.user.username})


class EmailSerializer(TokenObtainPairSerializer):
    username_field = "email"


class EmailLogin(simplejwt.TokenObtainPairView):
    serializer_class = EmailSerializer


class AccessTokenView(GenericAPIView):
    """No package has the dialect access_token: these three views are built on djangorestframework-jwt."""

    authentication_classes = ()
    permission_classes = ()
    serializer_class = drf_jwt.VerifyJSONWebTokenSerializer

    def checked(self, request):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def issue(self, user, **claims):
        end = datetime.now(timezone.utc) + ACCESS_TOKEN["token"]
        return encode({**jwt_payload_handler(user), **claims, "exp": end}), text_of(end)

    def post(self, request):
        return Response(self.answer(request))


class AccessTokenLogin(AccessTokenView):
    serializer_class = drf_jwt.JSONWebTokenSerializer

    def answer(self, request):
        user = self.checked(request)["user"]
        token, end = self.issue(user)
        return {"access_token": token, "expires_in": end, "user": user.username}


class AccessTokenVerify(AccessTokenView):
    def answer(self, request):
        good = self.checked(request)
        user, end = good["user"], decode(good["token"]).get("exp")
        try:
            end = None if end is None else text_of(datetime.fromtimestamp(int(end), timezone.utc))
        except (OSError, OverflowError, ValueError) as error:
            raise ValidationError({"non_field_errors": ["Error decoding signature."]}) from error
        return {"token": good["token"], "expires_in": end, "user": {"username": user.username, "id": user.pk}}


class AccessTokenRefresh(AccessTokenView):
    def answer(self, request):
        good = self.checked(request)
        user, login = good["user"], decode(good["token"]).get("orig_iat")
        if not login:
            raise ValidationError({"non_field_errors": ["orig_iat field is required."]})
        if time.time() // 1 > login + ACCESS_TOKEN["refresh_window"].total_seconds():
            raise ValidationError({"non_field_errors": ["Refresh has expired."]})
        token, end = self.issue(user, orig_iat=login)
        return {"token": token, "expires_in": end, "user": {"username": user.username, "id": user.pk}}


def text_of(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


urlpatterns = [
    path("auth/login/", KnoxLogin.as_view()),
    path("auth/logout/", knox.LogoutView.as_view()),
    path("auth/logoutall/", knox.LogoutAllView.as_view()),
    path("auth/user/", WhoAmI.as_view()),
    path("api-token-auth/", drf_jwt_views.obtain_jwt_token),
    path("api-token-verify/", drf_jwt_views.verify_jwt_token),
    path("api-token-refresh/", drf_jwt_views.refresh_jwt_token),
    path("api/token/", EmailLogin.as_view()),
    path("api/token/verify/", simplejwt.TokenVerifyView.as_view()),
    path("api/token/refresh/", simplejwt.TokenRefreshView.as_view()),
    path("api/token/blacklist/", simplejwt.TokenBlacklistView.as_view()),
    path("auth/access_token/", AccessTokenLogin.as_view()),
    path("auth/verify_token/", AccessTokenVerify.as_view()),
    path("auth/refresh_token/", AccessTokenRefresh.as_view()),
    path("", include("djoser.urls.jwt")),
]


class Directed:
    """The site, and the changes that the player of the transcripts makes between two requests."""

    def __init__(self, site):
        self.site = site
        self.clock = None

    def __call__(self, environ, start_response):
        words = environ["PATH_INFO"].split("/")
        if words[1:2] != ["-"]:
            return self.site(environ, start_response)
        getattr(self, f"do_{words[2]}")(*words[3:])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(time.time_ns() // 1000).encode()]

    def do_reset(self, moment):
        """Fresh users and tokens, and a clock stopped at this moment."""
        if self.clock is not None:
            self.clock.stop()
        OutstandingToken.objects.all().delete()
        User.objects.all().delete()
        load_fixture()
        self.clock = time_machine.travel(datetime.fromisoformat(moment), tick=False)
        self.traveller = self.clock.start()

    def do_advance(self, seconds):
        self.traveller.shift(timedelta(seconds=int(seconds)))

    def do_activate(self, name):
        User.objects.filter(username=name).update(is_active=True)

    def do_deactivate(self, name):
        User.objects.filter(username=name).update(is_active=False)

    def do_end(self, name):
        AuthToken.objects.filter(user__username=name).delete()


def load_fixture():
    fields = ("id", "username", "email", "is_active")
    users = {}
    for user in FIXTURE["users"]:
        made = User.objects.create(password=user["password_hash"], **{field: user[field] for field in fields})
        users[user["username"]] = made
    for token in FIXTURE["knox_tokens"]:
        expiry = token["expiry"] and parse_datetime(token["expiry"])
        row = AuthToken(
            digest=token["digest"], token_key=token["token_key"], user=users[token["user"]], expiry=expiry
        )
        row.save(force_insert=True)
    for user in FIXTURE["users"]:
        if user.get("deleted"):
            users[user["username"]].delete()


application = Directed(get_wsgi_application())

if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
