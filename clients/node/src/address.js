/** Where Knoxide is, and whether it is safe to send a secret there. */

import { isIPv4 } from "node:net";

/**
 * @param {string} url
 * @param {boolean} insecureHttp
 * @returns {{ origin: string, path: string, socketPath: string | undefined }} `path` ends in a slash
 * @throws {TypeError} for a URL that cannot be used
 */
export function readUrl(url, insecureHttp) {
  if (url.startsWith("unix:")) {
    const socketPath = url.slice("unix:".length);
    if (!socketPath.startsWith("/")) {
      throw new TypeError("the path of a Unix socket begins with a slash: unix:/run/knoxide.sock");
    }
    return { origin: "http://localhost", path: "/", socketPath };
  }
  if (!URL.canParse(url)) {
    // The message omits the URL, which may contain a password.
    throw new TypeError("the URL of Knoxide is not understood");
  }
  const { protocol, hostname, username, password, search, hash, origin, pathname } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") {
    throw new TypeError("the URL of Knoxide begins with https://, http:// or unix:/");
  }
  if (username || password || search || hash) {
    throw new TypeError("the URL of Knoxide has no credentials, no query and no fragment");
  }
  if (protocol === "http:" && !insecureHttp && !isLoopback(hostname)) {
    throw new TypeError(
      "http:// sends the secret and all tokens in clear text: use https://, or insecureHttp: true in a network where " +
        "nobody else listens",
    );
  }
  return { origin, path: pathname.endsWith("/") ? pathname : `${pathname}/`, socketPath: undefined };
}

/** @param {string} hostname as `URL` writes it */
function isLoopback(hostname) {
  return hostname === "localhost" || hostname === "[::1]" || (isIPv4(hostname) && hostname.startsWith("127."));
}
