/** The middleware, in a real Express application. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { afterEach, beforeEach, test } from "node:test";

import express from "express";

import { Client } from "knoxide-client";
import { requireToken } from "knoxide-client/express";

import { CLIENT_ID, Fake, GOOD, reply, SECRET, TOKEN } from "./fake.js";

/** @type {Fake} */
let fake;
/** @type {Client} */
let client;
/** @type {http.Server} */
let server;
/** @type {string[]} */
let outages;

beforeEach(async () => {
  fake = await new Fake().listen();
  client = new Client({ url: fake.url, clientId: CLIENT_ID, secret: SECRET });
  outages = [];
  const onUnavailable = (/** @type {Error} */ error) => outages.push(error.message);
  const app = express();
  app.get("/notes", requireToken(client, { onUnavailable }), (request, response) => {
    response.json([request.knoxide?.user.username, request.knoxide?.id]);
  });
  app.get("/bearer", requireToken(client, { keyword: "Bearer", onUnavailable }), (request, response) => {
    response.json(request.knoxide?.user.id);
  });
  server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await client.close();
  await fake.close();
});

/**
 * @param {string} path
 * @param {...string} authorization
 */
async function get(path, ...authorization) {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const headers = ["Host", "localhost", ...authorization.flatMap((value) => ["Authorization", value])];
  const request = http.get({ port, path, headers });
  const [response] = /** @type {[http.IncomingMessage]} */ (await once(request, "response"));
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
  }
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) };
}

test("a good token passes, with its session", async () => {
  fake.replies = [reply(GOOD)];
  const { status, body } = await get("/notes", `token ${TOKEN}`);
  assert.deepEqual([status, body], [200, ["Zoë 山", GOOD.sid]]);
  assert.equal((await get("/bearer", `Bearer ${TOKEN}`)).body, "7");
});

test("without a good token nothing passes", async () => {
  const none = "Authentication credentials were not provided.";
  for (const [headers, detail] of /** @type {[string[], string][]} */ ([
    [[], none],
    [["Bearer a"], none],
    [["Token"], "Invalid token header. No credentials provided."],
    [["Token a b"], "Invalid token header. Token string should not contain spaces."],
    [["Token a", "Token a"], "Invalid token header. Token string should not contain spaces."],
    [[`Token ${TOKEN}`], "Invalid token."],
  ])) {
    const answer = await get("/notes", ...headers);
    assert.deepEqual([answer.status, answer.body], [401, { detail }], headers.join());
    assert.equal(answer.headers["www-authenticate"], "Token");
  }
  assert.equal((await get("/bearer", `Token ${TOKEN}`)).headers["www-authenticate"], "Bearer");
  assert.equal(fake.requests.length, 1);
  assert.deepEqual(outages, []);
});

test("an outage is no refusal", async () => {
  for (const [answer, seconds] of /** @type {const} */ ([
    ["", "1"],
    [reply("", 503, "Retry-After: 7\r\n"), "7"],
    [reply("", 401), "1"],
  ])) {
    fake.replies = [answer];
    const got = await get("/notes", `Token ${TOKEN}`);
    assert.deepEqual([got.status, got.body], [503, { detail: "Service temporarily unavailable, try again later." }]);
    assert.equal(got.headers["retry-after"], seconds);
    assert.equal(got.headers["www-authenticate"], undefined);
  }
  assert.equal(outages.length, 3);
  assert.match(outages[1] ?? "", /Knoxide answers 503/);
});
