/** The errors of a check. Each has what a web application needs for its reply. */
/** Why a request has no session: `NotAuthenticated` or `Unavailable`, never anything else. */
export declare class KnoxideError extends Error {
    /** The HTTP status of the reply. */
    status: number;
    /** A sentence for the client that sent the request. It contains no secret and no address. */
    detail: string;
    /** The headers that belong to the reply. */
    headers: Record<string, string>;
    /**
     * @param {string} message for the log of the application; it contains no secret
     * @param {number} status
     * @param {string} detail
     * @param {Record<string, string>} headers
     * @param {ErrorOptions} [options]
     */
    constructor(message: string, status: number, detail: string, headers: Record<string, string>, options?: ErrorOptions);
}
/** The request has no token, or one that is not good. The reply is 401. */
export declare class NotAuthenticated extends KnoxideError {
    /**
     * @param {string} detail
     * @param {string} keyword
     */
    constructor(detail: string, keyword: string);
}
/**
 * The token could not be checked, which says nothing about the token. The reply is 503.
 *
 * Never turn it into "not logged in": the client would throw away a good token.
 */
export declare class Unavailable extends KnoxideError {
    /** After how many seconds to ask again. */
    retryAfter: number;
    /**
     * @param {string} reason what happened, for the log of the application; it contains no secret
     * @param {{ retryAfter?: number, cause?: unknown }} [more] after how many seconds to ask again, 1 if nothing is said
     */
    constructor(reason: string, { retryAfter, cause }?: {
        retryAfter?: number;
        cause?: unknown;
    });
}
/** Knoxide refuses this application: its id or secret is wrong, or it lacks the right. Asking again does not help. */
export declare class ClientRefused extends Unavailable {
}
