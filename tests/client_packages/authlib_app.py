"""A Flask application that Authlib protects, as its documentation shows: nothing in it is made for Knoxide.

The variables KNOXIDE_URL, KNOXIDE_CLIENT_ID and KNOXIDE_CLIENT_SECRET say whom it asks.
"""

import os

from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from flask import Flask

knoxide = OAuth2Client(os.environ["KNOXIDE_CLIENT_ID"], os.environ["KNOXIDE_CLIENT_SECRET"], trust_env=False)


class Validator(IntrospectTokenValidator):
    def introspect_token(self, token_string):
        response = knoxide.introspect_token(os.environ["KNOXIDE_URL"] + "/introspect/", token=token_string)
        response.raise_for_status()
        return response.json()


app = Flask(__name__)
require_oauth = ResourceProtector()
require_oauth.register_token_validator(Validator())


@app.get("/notes")
@require_oauth()
def notes():
    return {"owner": current_token["username"]}
