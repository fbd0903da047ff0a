"""Writes the users and the knox tokens of a Django site to users.json, for `knoxide import`.

    python manage.py shell < export.py

The file contains password hashes and token digests: protect it like a backup, and delete it after the import.
"""

import json
import os
from datetime import timezone

from django.contrib.auth import get_user_model
from knox.models import AuthToken


def text_of(moment):
    return None if moment is None else moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


users = [
    {
        "id": user.pk,
        "username": user.get_username(),
        "email": getattr(user, "email", ""),
        "password_hash": user.password,
        "is_active": user.is_active,
        "is_staff": getattr(user, "is_staff", False),
        "is_superuser": getattr(user, "is_superuser", False),
        "date_joined": text_of(getattr(user, "date_joined", None)),
        "last_login": text_of(user.last_login),
    }
    for user in get_user_model().objects.order_by("pk")
]
tokens = [
    {
        "user": token.user.get_username(),
        "digest": token.digest,
        "created": text_of(token.created),
        "expiry": text_of(token.expiry),
    }
    for token in AuthToken.objects.select_related("user").order_by("created")
]
with os.fdopen(os.open("users.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
    json.dump({"format": 1, "users": users, "knox_tokens": tokens}, file)
print(f"users.json: {len(users)} users, {len(tokens)} tokens")
