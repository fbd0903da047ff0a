// Verifies a JWT without asking the server that issued it, and prints its claims as JSON.
//
// The variable ASKED holds a JSON object: token, algorithm, and either jwks (an address) or
// secret (a text).

import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const asked = JSON.parse(process.env.ASKED);
const key = asked.jwks ? createRemoteJWKSet(new URL(asked.jwks)) : new TextEncoder().encode(asked.secret);
const options = { algorithms: [asked.algorithm], requiredClaims: ["exp", "iat", "jti"] };
try {
  const { payload } = await jwtVerify(asked.token, key, options);
  console.log(JSON.stringify(payload));
} catch (error) {
  if (!(error instanceof errors.JOSEError)) throw error;
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
