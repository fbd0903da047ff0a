/** The client, which asks Knoxide. */

import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { Pool } from "undici";

import { readUrl } from "./address.js";
import { readMany, readOne } from "./answer.js";
import { NotAuthenticated, Unavailable } from "./errors.js";
import { findToken, INVALID, isToken, NOT_PROVIDED } from "./header.js";

/** @typedef {import("./answer.js").Session} Session */

/**
 * @typedef {object} Options
 * @property {string} url `https://…`, `http://…` of a loopback address, or `unix:/path` of a socket.
 * @property {string} clientId
 * @property {string} [secret] The secret of the client, or else
 * @property {string | URL} [secretFile] the file that contains it.
 * @property {number} [timeout] How many milliseconds a call may take; 2,000 by default.
 * @property {boolean} [insecureHttp] Allows `http://` to other addresses, where tokens and the secret can be read on the
 *   way.
 */

// The limits of one call: this many tokens, in a body of 1 MiB.
const MOST_TOKENS = 1000;
const MOST_BYTES = 1024 * 1024 - 64;

// The number of calls at once; any more wait for one to end.
const CONNECTIONS = 100;

// The server has just closed a connection that was kept open. A check changes nothing, so it is sent again.
const LOST_CONNECTION = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** Asks over connections that it keeps. One for each process is enough. */
export class Client {
  /** @type {Pool} */
  #pool;
  /** @type {string} */
  #path;
  /** @type {string} */
  #authorization;
  /** @type {number} */
  #timeout;

  /**
   * @param {Options} options
   * @throws {TypeError} for options that cannot be right, and the error of `readFileSync` if the file cannot be read
   */
  constructor({ url, clientId, secret, secretFile, timeout = 2000, insecureHttp = false }) {
    const { origin, path, socketPath } = readUrl(url, insecureHttp);
    if ((secret === undefined) === (secretFile === undefined)) {
      throw new TypeError("give either the secret of the client or the file with it");
    }
    const known = secretFile === undefined ? secret : readFileSync(secretFile, "utf8").trim();
    if (!clientId || !known) {
      throw new TypeError("the id or the secret of the client is empty");
    }
    // RFC 6749, section 2.3.1: both are form-encoded before they become Basic credentials.
    const credentials = [clientId, known].map((part) => formEncoded(part)).join(":");
    this.#authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
    this.#path = path;
    this.#timeout = timeout;
    this.#pool = new Pool(origin, {
      connections: CONNECTIONS,
      connect: { timeout, ...(socketPath && { socketPath }) },
    });
  }

  /**
   * A client with the settings of the environment: `KNOXIDE_URL`, `KNOXIDE_CLIENT_ID`, and
   * `KNOXIDE_CLIENT_SECRET_FILE` or `KNOXIDE_CLIENT_SECRET`.
   *
   * @throws {TypeError} for a variable that is missing, and what the constructor throws
   */
  static fromEnv() {
    const secretFile = process.env["KNOXIDE_CLIENT_SECRET_FILE"];
    const secret = secretFile ? { secretFile } : { secret: variable("KNOXIDE_CLIENT_SECRET") };
    return new Client({ url: variable("KNOXIDE_URL"), clientId: variable("KNOXIDE_CLIENT_ID"), ...secret });
  }

  /**
   * The session of a token, or `null` if the token is not good.
   *
   * @param {string} token
   * @param {object} [options]
   * @param {boolean} [options.countsAsUse] whether the session counts as used, for the idle limit of Knoxide; `true` by
   *   default
   * @returns {Promise<Session | null>}
   * @throws {Unavailable} if it cannot be known whether the token is good
   */
  async check(token, { countsAsUse = true } = {}) {
    if (!isToken(token)) {
      return null;
    }
    const form = new URLSearchParams({ token, counts_as_use: String(countsAsUse) });
    return readOne(await this.#ask("introspect/", "application/x-www-form-urlencoded", form.toString()));
  }

  /**
   * The same for many tokens, in their order, by one call for each 1,000. The client needs the right `batch`.
   *
   * @param {readonly string[]} tokens
   * @param {object} [options]
   * @param {boolean} [options.countsAsUse] whether the sessions count as used; `false` by default
   * @returns {Promise<(Session | null)[]>}
   * @throws {Unavailable} as `check`
   */
  async checkMany(tokens, { countsAsUse = false } = {}) {
    const sessions = [];
    for (const part of inParts(tokens)) {
      const body = JSON.stringify({ tokens: part, counts_as_use: countsAsUse });
      sessions.push(...readMany(await this.#ask("check/", "application/json", body), part.length));
    }
    return sessions;
  }

  /**
   * The session of the token in the `Authorization` header of a request.
   *
   * @param {{ rawHeaders: string[] }} request a request of `node:http`, or one that extends it, as those of Express do
   * @param {string} [keyword] the word before the token
   * @returns {Promise<Session>}
   * @throws {NotAuthenticated} without a good token behind this keyword
   * @throws {Unavailable} if that is not known
   */
  async authenticate(request, keyword = "Token") {
    const token = findToken(request, keyword);
    if (token === null) {
      throw new NotAuthenticated(NOT_PROVIDED, keyword);
    }
    const session = await this.check(token);
    if (session === null) {
      throw new NotAuthenticated(INVALID, keyword);
    }
    return session;
  }

  /** Closes the connections once the calls under way have ended. */
  async close() {
    await this.#pool.close();
  }

  /**
   * @param {string} path
   * @param {string} type
   * @param {string} body
   */
  async #ask(path, type, body) {
    const signal = AbortSignal.timeout(this.#timeout);
    const headers = { authorization: this.#authorization, "content-type": type, accept: "application/json" };
    const send = () => this.#send({ path: this.#path + path, method: "POST", headers, body, signal });
    try {
      return await send().catch((error) => {
        if (LOST_CONNECTION.has(error.code)) {
          return send();
        }
        throw error;
      });
    } catch (cause) {
      const { code, name, message } = /** @type {Error & { code?: unknown }} */ (cause);
      throw new Unavailable(`Knoxide does not answer: ${typeof code === "string" ? code : name}: ${message}`, {
        cause,
      });
    }
  }

  /** @param {import("undici").Dispatcher.RequestOptions} request */
  async #send(request) {
    const { statusCode, headers, body } = await this.#pool.request(request);
    return { status: statusCode, retryAfter: headers["retry-after"], text: await body.text() };
  }
}

/**
 * These tokens in parts that fit into one call.
 *
 * @param {readonly string[]} tokens
 */
function* inParts(tokens) {
  /** @type {string[]} */
  let part = [];
  let size = 0;
  for (const token of tokens) {
    // A string that cannot be a token is sent empty, so that it does not push others over the limit.
    const known = isToken(token) ? token : "";
    // In JSON: quotation marks, a comma, and at worst every character escaped.
    const length = 2 * known.length + 3;
    if (part.length === MOST_TOKENS || size + length > MOST_BYTES) {
      yield part;
      [part, size] = [[], 0];
    }
    part.push(known);
    size += length;
  }
  if (part.length > 0) {
    yield part;
  }
}

/** @param {string} text */
function formEncoded(text) {
  // After the empty name and its equals sign.
  return new URLSearchParams({ "": text }).toString().slice(1);
}

/** @param {string} name */
function variable(name) {
  const value = process.env[name];
  if (!value) {
    throw new TypeError(`the variable ${name} is not set`);
  }
  return value;
}
