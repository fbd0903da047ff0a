/**
 * The client, against a real server.
 *
 * `tests/it/client_packages.rs` starts one and sets the variables; without them these tests are skipped.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, ClientRefused, NotAuthenticated } from "knoxide-client";

const { KNOXIDE_URL = "", KNOXIDE_CLIENT_ID = "", KNOXIDE_CLIENT_SECRET = "" } = process.env;
const { KNOXIDE_TEST_SOCKET = "", KNOXIDE_TEST_USER: username = "", KNOXIDE_TEST_PASSWORD: password } = process.env;
const skip = username === "" && "tests/it/client_packages.rs starts the server";

/** @param {string} url */
const connect = (url) => new Client({ url, clientId: KNOXIDE_CLIENT_ID, secret: KNOXIDE_CLIENT_SECRET });

/**
 * @param {string} path
 * @returns {Promise<Record<string, string>>}
 */
async function login(path) {
  const headers = { "Content-Type": "application/json" };
  const reply = await fetch(KNOXIDE_URL + path, {
    method: "POST",
    headers,
    body: JSON.stringify({ username, password }),
  });
  assert.equal(reply.status, 200);
  return /** @type {Record<string, string>} */ (await reply.json());
}

/** @param {string} token */
async function logout(token) {
  const headers = { Authorization: `Token ${token}` };
  assert.equal((await fetch(`${KNOXIDE_URL}/auth/logout/`, { method: "POST", headers })).status, 200);
}

for (const url of [KNOXIDE_URL, KNOXIDE_TEST_SOCKET]) {
  const how = url.startsWith("unix:") ? "over a Unix socket" : "over TCP";

  test(`a session is known until it ends, ${how}`, { skip }, async (context) => {
    const client = connect(url);
    context.after(() => client.close());
    const { token = "" } = await login("/auth/login/");
    const session = await client.check(token);
    assert.deepEqual([session?.user.username, session?.user.isStaff, session?.user.isAdmin], [username, false, false]);
    assert.deepEqual([session?.dialect, session?.expires], ["knox", null]);
    const request = { rawHeaders: ["Authorization", `Token ${token}`] };
    assert.deepEqual(await client.authenticate(request), session);
    await logout(token);
    assert.equal(await client.check(token), null);
    await assert.rejects(client.authenticate(request), NotAuthenticated);
  });

  test(`a JWT has an end and a refresh token is none, ${how}`, { skip }, async (context) => {
    const client = connect(url);
    context.after(() => client.close());
    const { access = "", refresh = "" } = await login("/jwt/create/");
    const session = await client.check(access);
    assert.equal(session?.dialect, "djoser");
    assert.equal(Number(session?.expires) - Number(session?.issued), 300_000);
    assert.equal(await client.check(refresh), null);
  });

  test(`many are not mixed up, ${how}`, { skip }, async (context) => {
    const client = connect(url);
    context.after(() => client.close());
    const [{ token: live = "" }, { token: dead = "" }] = await Promise.all([
      login("/auth/login/"),
      login("/auth/login/"),
    ]);
    await logout(dead);
    const tokens = new Array(150)
      .fill([live, dead, "unknown", "no token", "", live, "\ud800", "a".repeat(5000)])
      .flat();
    const sessions = await client.checkMany(tokens);
    const expected = tokens.map((token) => (token === live ? username : undefined));
    assert.deepEqual(
      sessions.map((session) => session?.user.username),
      expected,
    );
  });
}

test("a wrong client is no verdict", { skip }, async () => {
  const right = { url: KNOXIDE_URL, clientId: KNOXIDE_CLIENT_ID, secret: KNOXIDE_CLIENT_SECRET };
  const unknown = "019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c";
  for (const wrong of [{ secret: "wrong" }, { clientId: unknown }, { clientId: "é" }]) {
    const client = new Client({ ...right, ...wrong });
    await assert.rejects(client.check("a"), ClientRefused);
    await assert.rejects(client.checkMany(["a"]), /401: invalid_client/);
    await client.close();
  }
});
