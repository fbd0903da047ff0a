/** Reads the replies of Knoxide (RFC 7662, section 2.2). Whatever is not understood is `Unavailable`, never "no". */

import { ClientRefused, Unavailable } from "./errors.js";

/**
 * A user, as Knoxide knew it when it was asked.
 *
 * @typedef {object} User
 * @property {string} id The number of the user, as text, since it can be larger than a JavaScript number. It stays,
 *   while names change and can be given to another user later.
 * @property {string} username
 * @property {string} email
 * @property {boolean} isStaff The staff flag, which Knoxide stores for applications.
 * @property {boolean} isAdmin Whether the user may administer Knoxide.
 */

/**
 * One login on one device, which the token belongs to.
 *
 * @typedef {object} Session
 * @property {string} id
 * @property {User} user
 * @property {string} dialect Which endpoints the token comes from, such as `knox`.
 * @property {Date} issued When the token was issued.
 * @property {Date | null} expires When the token expires; `null`: never. It can be revoked at any moment before: ask
 *   again for each request.
 */

/**
 * A reply that has arrived.
 *
 * @typedef {object} Reply
 * @property {number} status
 * @property {unknown} retryAfter The header `Retry-After`, if there is one.
 * @property {string} text
 */

/**
 * The session of a token. `null`: the token is not good.
 *
 * @param {Reply} reply
 * @returns {Session | null}
 */
export function readOne(reply) {
  return verdict(body(reply));
}

/**
 * The sessions of this many tokens, in their order.
 *
 * @param {Reply} reply
 * @param {number} asked
 * @returns {(Session | null)[]}
 */
export function readMany(reply, asked) {
  const { results } = body(reply);
  if (!Array.isArray(results) || results.length !== asked) {
    throw new Unavailable("the answer does not fit the question");
  }
  return results.map((result) => verdict(object(result)));
}

/**
 * @param {Reply} reply
 * @returns {Record<string, unknown>}
 */
function body({ status, retryAfter, text }) {
  if (status === 401 || status === 403) {
    throw new ClientRefused(
      `Knoxide refuses this client with ${status}: ${object(parsed(text))["error"] ?? "no code"}`,
    );
  }
  if (status !== 200) {
    const seconds = typeof retryAfter === "string" && /^[0-9]+$/.test(retryAfter) ? Math.max(1, Number(retryAfter)) : 1;
    throw new Unavailable(`Knoxide answers ${status}`, { retryAfter: seconds });
  }
  return object(parsed(text));
}

/**
 * @param {string} text
 * @returns {unknown}
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @param {unknown} value
 * @returns {Record<string, unknown>} an empty object for anything else
 */
function object(value) {
  return typeof value === "object" && value !== null ? /** @type {Record<string, unknown>} */ (value) : {};
}

/**
 * @param {Record<string, unknown>} answer
 * @returns {Session | null}
 */
function verdict(answer) {
  if (typeof answer["active"] !== "boolean") {
    throw new Unavailable("the answer says nothing about a token: is the URL that of Knoxide?");
  }
  if (!answer["active"]) {
    return null;
  }
  return {
    id: string(answer, "sid"),
    user: {
      id: string(answer, "sub"),
      username: string(answer, "username"),
      email: string(answer, "email"),
      isStaff: flag(answer, "is_staff"),
      isAdmin: flag(answer, "is_admin"),
    },
    dialect: string(object(answer["session"]), "dialect"),
    issued: time(answer["iat"], "iat"),
    expires: answer["exp"] === undefined ? null : time(answer["exp"], "exp"),
  };
}

/**
 * @param {Record<string, unknown>} answer
 * @param {string} name
 */
function string(answer, name) {
  const value = answer[name];
  return typeof value === "string" ? value : fail(name);
}

/**
 * @param {Record<string, unknown>} answer
 * @param {string} name
 */
function flag(answer, name) {
  const value = answer[name];
  return typeof value === "boolean" ? value : fail(name);
}

/**
 * @param {unknown} seconds
 * @param {string} name
 */
function time(seconds, name) {
  return Number.isSafeInteger(seconds) ? new Date(Number(seconds) * 1000) : fail(name);
}

/**
 * @param {string} name
 * @returns {never}
 */
function fail(name) {
  throw new Unavailable(`the answer about a good token is not understood: ${name}`);
}
