/** Reads the `Authorization` header as Knoxide reads it. */

import { NotAuthenticated } from "./errors.js";

const MAX_TOKEN_LENGTH = 4096;

export const NOT_PROVIDED = "Authentication credentials were not provided.";
export const INVALID = "Invalid token.";
const EMPTY = "Invalid token header. No credentials provided.";
const SPACES = "Invalid token header. Token string should not contain spaces.";
const CHARACTERS = "Invalid token header. Token string should not contain invalid characters.";

/** @param {string} text */
const isVisible = (text) => /^[!-~]+$/.test(text);

/**
 * Whether this can be a token: visible ASCII of at most 4,096 characters. Everything else is refused without asking.
 *
 * @param {unknown} token
 * @returns {token is string}
 */
export function isToken(token) {
  return typeof token === "string" && token.length <= MAX_TOKEN_LENGTH && isVisible(token);
}

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
export function findToken(request, keyword) {
  const raw = request.rawHeaders;
  const values = raw.filter((_, at) => at % 2 === 1 && raw[at - 1]?.toLowerCase() === "authorization");
  const [word, token, ...more] = values
    .join(",")
    .split(/[ \t]+/)
    .filter((part) => part !== "");
  // Some letters outside ASCII have ASCII lower-case forms.
  if (word === undefined || !isVisible(word) || word.toLowerCase() !== keyword.toLowerCase()) {
    return null;
  }
  if (token === undefined) {
    throw new NotAuthenticated(EMPTY, keyword);
  }
  if (more.length > 0) {
    throw new NotAuthenticated(SPACES, keyword);
  }
  if (!isToken(token)) {
    throw new NotAuthenticated(/^[\0-\x7f]*$/.test(token) ? INVALID : CHARACTERS, keyword);
  }
  return token;
}
