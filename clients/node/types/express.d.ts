import type { RequestHandler } from "express";
import type { Client, Session, Unavailable } from "./index.js";

declare global {
  namespace Express {
    interface Request {
      /** The session of the token, behind `requireToken`. */
      knoxide?: Session;
    }
  }
}

export interface Options {
  /** The word before the token, `Token` by default. */
  keyword?: string;
  /** Told of each token that could not be checked; writes a line to standard error by default. */
  onUnavailable?: (error: Unavailable) => void;
}

/**
 * Lets a request pass if it has a good token, with the session in `request.knoxide`. Otherwise replies 401 or, if the token
 * could not be checked, 503.
 */
export function requireToken(client: Client, options?: Options): RequestHandler;
