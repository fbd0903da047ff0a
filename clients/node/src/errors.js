/** The errors of a check. Each has what a web application needs for its reply. */

/** Why a request has no session: `NotAuthenticated` or `Unavailable`, never anything else. */
export class KnoxideError extends Error {
  /**
   * @param {string} message for the log of the application; it contains no secret
   * @param {number} status
   * @param {string} detail
   * @param {Record<string, string>} headers
   * @param {ErrorOptions} [options]
   */
  constructor(message, status, detail, headers, options) {
    super(message, options);
    this.name = new.target.name;
    /** The HTTP status of the reply. */
    this.status = status;
    /** A sentence for the client that sent the request. It contains no secret and no address. */
    this.detail = detail;
    /** The headers that belong to the reply. */
    this.headers = headers;
  }
}

/** The request has no token, or one that is not good. The reply is 401. */
export class NotAuthenticated extends KnoxideError {
  /**
   * @param {string} detail
   * @param {string} keyword
   */
  constructor(detail, keyword) {
    super(detail, 401, detail, { "WWW-Authenticate": keyword });
  }
}

/**
 * The token could not be checked, which says nothing about the token. The reply is 503.
 *
 * Never turn it into "not logged in": the client would throw away a good token.
 */
export class Unavailable extends KnoxideError {
  /**
   * @param {string} reason what happened, for the log of the application; it contains no secret
   * @param {{ retryAfter?: number, cause?: unknown }} [more] after how many seconds to ask again, 1 if nothing is said
   */
  constructor(reason, { retryAfter = 1, cause } = {}) {
    const headers = { "Retry-After": String(retryAfter) };
    super(reason, 503, "Service temporarily unavailable, try again later.", headers, { cause });
    /** After how many seconds to ask again. */
    this.retryAfter = retryAfter;
  }
}

/** Knoxide refuses this application: its id or secret is wrong, or it lacks the right. Asking again does not help. */
export class ClientRefused extends Unavailable {}
