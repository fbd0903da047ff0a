"""Logs the tester in, and again whenever a request may have ended the session.

BASE is the address of the server, LOGIN the path of the login, NAME and PASSWORD are the credentials, KEYWORD is the word
before the token, SCRIPT is a token of a script, and TESTER the number of the user, whose own account no made-up request may change.
"""

import json
import os
import urllib.request

import schemathesis

# Where registered clients ask, and scripts of administrators.
SERVICES = ("/introspect/", "/check/", "/revoke/")

READS = ("GET", "HEAD", "OPTIONS", "TRACE")

TOKEN = None


def log_in():
    body = json.dumps({"username": os.environ["NAME"], "password": os.environ["PASSWORD"]}).encode()
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(os.environ["BASE"] + os.environ["LOGIN"], data=body, headers=headers)
    with urllib.request.urlopen(asked) as reply:
        return json.load(reply)["token"]


@schemathesis.auth(refresh_interval=None)
class Login:
    def get(self, case, context):
        global TOKEN
        TOKEN = TOKEN or log_in()
        return TOKEN

    def set(self, case, data, context):
        by_script = case.path in SERVICES
        case.headers["Authorization"] = "Bearer " + os.environ["SCRIPT"] if by_script else os.environ["KEYWORD"] + " " + data


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method not in READS and str((case.path_parameters or {}).get("id")) == os.environ["TESTER"]:
        case.path_parameters["id"] = 1


@schemathesis.hook
def after_call(context, case, response):
    global TOKEN
    if response.status_code == 401 or (response.status_code < 300 and case.method not in READS):
        TOKEN = None
