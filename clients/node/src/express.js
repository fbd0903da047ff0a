/** Middleware for Express; `types/express.d.ts` describes it. */

import { KnoxideError, Unavailable } from "./errors.js";

/** @type {typeof import("../types/express.js").requireToken} */
export const requireToken = (client, { keyword = "Token", onUnavailable = report } = {}) => {
  return (request, response, next) => {
    client.authenticate(request, keyword).then(
      (session) => {
        request.knoxide = session;
        next();
      },
      (error) => {
        if (!(error instanceof KnoxideError)) {
          next(error);
          return;
        }
        if (error instanceof Unavailable) {
          onUnavailable(error);
        }
        response.status(error.status).set(error.headers).json({ detail: error.detail });
      },
    );
  };
};

/** @param {Error} error */
function report(error) {
  console.error(`knoxide-client: a token could not be checked: ${error.message}`);
}
