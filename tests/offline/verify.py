"""Verifies a JWT without asking the server that issued it, and prints its claims as JSON.

The variable ASKED holds a JSON object: token, algorithm, and either jwks (an address) or secret (a text).
"""

import json
import os
import sys

import jwt

asked = json.loads(os.environ["ASKED"])
token = asked["token"]
if "jwks" in asked:
    key = jwt.PyJWKClient(asked["jwks"]).get_signing_key_from_jwt(token).key
else:
    key = asked["secret"].encode()
required = {"require": ["exp", "iat", "jti"]}
try:
    claims = jwt.decode(token, key, algorithms=[asked["algorithm"]], options=required)
except jwt.InvalidTokenError as error:
    sys.exit(f"refused: {error}")
json.dump(claims, sys.stdout)
