/** Reads the `Authorization` header as Knoxide reads it. */
export declare const NOT_PROVIDED = "Authentication credentials were not provided.";
export declare const INVALID = "Invalid token.";
/**
 * Whether this can be a token: visible ASCII of at most 4,096 characters. Everything else is refused without asking.
 *
 * @param {unknown} token
 * @returns {token is string}
 */
export declare function isToken(token: unknown): token is string;
/**
 * The token behind this keyword, or `null` if there are no credentials of this kind.
 *
 * Several headers are joined by a comma, as WSGI servers join them, and so contain no token. `headers.authorization`
 * does not tell of a second one, which is why this reads the raw headers.
 *
 * @param {{ rawHeaders: string[] }} request a request of `node:http`, or one that extends it
 * @param {string} keyword
 * @returns {string | null}
 * @throws {NotAuthenticated} if the header is malformed
 */
export declare function findToken(request: {
    rawHeaders: string[];
}, keyword: string): string | null;
