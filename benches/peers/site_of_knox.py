"""A site with one route behind django-rest-knox, tuned as its documents advise: no debugging, no
sessions, connections to the database that stay open.

    python site_of_knox.py   migrates, and reads lines "USER TOKEN" from the standard input
    gunicorn site_of_knox:application

DATABASE is sqlite:PATH or postgres:PORT:NAME.
"""

import itertools
import os
import sys

import django
from django.conf import settings

kind, _, place = os.environ["DATABASE"].partition(":")
if kind == "sqlite":
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": place}
else:
    port, _, name = place.partition(":")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": port,
        "NAME": name,
        "USER": "postgres",
    }

settings.configure(
    SECRET_KEY="only for measuring",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {**database, "CONN_MAX_AGE": None}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "knox"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["knox.auth.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    REST_KNOX={"TOKEN_TTL": None},
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.response import Response  # noqa: E402


@api_view(["GET"])
def user(request):
    return Response({"username": request.user.username, "email": request.user.email})


urlpatterns = [path("auth/user/", user)]
application = get_wsgi_application()


def fill(lines):
    """Users and tokens past the packages' own ways, which take one at a time."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import transaction
    from knox.crypto import hash_token
    from knox.models import AuthToken
    from knox.settings import CONSTANTS

    call_command("migrate", verbosity=0)
    pairs = (line.split() for line in lines)
    with transaction.atomic():
        for owner, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
            account = User.objects.create(username=owner, email=owner + "@example.com")
            AuthToken.objects.bulk_create(
                AuthToken(digest=hash_token(token), token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH], user=account)
                for _, token in group
            )


if __name__ == "__main__":
    fill(sys.stdin)
