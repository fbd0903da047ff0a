"""Logs in for the tester, and again whenever a request has ended the session or a token is refused.

LOGIN has the method's path, NAME and PASSWORD the credentials, KEYWORD the word before the token.
"""

import json
import os
import urllib.request

import schemathesis

TOKEN = None


def log_in(base):
    body = json.dumps({"username": os.environ["NAME"], "password": os.environ["PASSWORD"]}).encode()
    asked = urllib.request.Request(
        base + os.environ["LOGIN"], data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked) as reply:
        return json.load(reply)["token"]


@schemathesis.auth(refresh_interval=None)
class Login:
    def get(self, case, context):
        global TOKEN
        if TOKEN is None:
            TOKEN = log_in(os.environ["BASE"])
        return TOKEN

    def set(self, case, data, context):
        case.headers["Authorization"] = os.environ["KEYWORD"] + " " + data


@schemathesis.hook
def after_call(context, case, response):
    global TOKEN
    sent = case.headers.get("Authorization", "") if case.headers else ""
    # The token may be over now: by a logout, or because a check sent it to an endpoint that ends sessions.
    if TOKEN is not None and TOKEN in sent and (response.status_code == 401 or case.method not in ("GET", "HEAD")):
        TOKEN = None
