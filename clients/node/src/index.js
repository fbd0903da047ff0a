/**
 * Asks a Knoxide server which user the token of a request belongs to.
 *
 * `Client` asks, `Session` is the answer, and `NotAuthenticated` and `Unavailable` are the two ways not to get one.
 * `knoxide-client/express` has middleware for Express.
 */

export { Client } from "./client.js";
export { ClientRefused, KnoxideError, NotAuthenticated, Unavailable } from "./errors.js";

/** @typedef {import("./answer.js").Session} Session */
/** @typedef {import("./answer.js").User} User */
/** @typedef {import("./client.js").Options} Options */
