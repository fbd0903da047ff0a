/** A server whose replies the test chooses. */

import { once } from "node:events";
import { createServer } from "node:net";

export const TOKEN = "12caf9840aeb6bafa3a218e321c19095c70de298";
export const SECRET = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b";
export const CLIENT_ID = "notes";

export const GOOD = {
  active: true,
  sub: "7",
  username: "Zoë 山",
  email: "zoë@example.com",
  is_staff: true,
  is_admin: false,
  sid: "019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c",
  token_type: "Token",
  iat: 1767323045,
  exp: 1767326645,
  session: { dialect: "knox" },
};

/**
 * The text of a reply; a body that is no text is sent as JSON.
 *
 * @param {unknown} body
 */
export function reply(body, status = 200, headers = "") {
  const content = typeof body === "string" ? body : JSON.stringify(body);
  return `HTTP/1.1 ${status} X\r\nContent-Length: ${Buffer.byteLength(content)}\r\n${headers}\r\n${content}`;
}

/** Answers requests with the given replies in turn, then repeats the last one. An empty reply closes the connection. */
export class Fake {
  replies = [reply({ active: false })];
  /** @type {{ line: string, headers: Record<string, string>, body: string }[]} */
  requests = [];
  connections = 0;
  url = "";
  /** @type {Set<import("node:net").Socket>} */
  #open = new Set();
  #server = createServer((socket) => this.#serve(socket));

  /** @param {string} [path] of a Unix socket, instead of a port */
  async listen(path) {
    this.#server.listen(path === undefined ? { host: "127.0.0.1", port: 0 } : { path });
    await once(this.#server, "listening");
    const address = this.#server.address();
    this.url = typeof address === "object" ? `http://127.0.0.1:${address?.port}` : `unix:${path}`;
    return this;
  }

  async close() {
    this.#open.forEach((socket) => socket.destroy());
    this.#server.close();
    await once(this.#server, "close");
  }

  /** @param {import("node:net").Socket} socket */
  #serve(socket) {
    this.connections += 1;
    this.#open.add(socket);
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk.toString();
      const [head = "", body] = text.split("\r\n\r\n");
      const [line = "", ...lines] = head.split("\r\n");
      /** @type {Record<string, string>} */
      const headers = Object.fromEntries(
        lines.map((one) =>
          one
            .toLowerCase()
            .split(": ", 1)
            .concat(one.slice(one.indexOf(": ") + 2)),
        ),
      );
      if (body === undefined || Buffer.byteLength(body) < Number(headers["content-length"] ?? 0)) {
        return;
      }
      text = "";
      this.requests.push({ line, headers, body });
      const answer = (this.replies.length > 1 ? this.replies.shift() : this.replies[0]) ?? "";
      if (answer === "") {
        socket.end();
      } else {
        socket.write(answer);
      }
    });
  }
}
