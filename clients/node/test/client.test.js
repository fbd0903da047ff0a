/** The client, against a server whose replies the test chooses. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { inspect } from "node:util";

import { Client, ClientRefused, NotAuthenticated, Unavailable } from "knoxide-client";

import { CLIENT_ID, Fake, GOOD, reply, SECRET, TOKEN } from "./fake.js";

/** @type {Fake} */
let fake;
/** @type {Client[]} */
let clients;

beforeEach(async () => {
  fake = await new Fake().listen();
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await fake.close();
});

/** @param {Partial<import("knoxide-client").Options>} [options] */
function connect(options) {
  const client = new Client({
    url: fake.url,
    clientId: CLIENT_ID,
    ...(options?.secretFile ? {} : { secret: SECRET }),
    ...options,
  });
  clients.push(client);
  return client;
}

/** @param {...string} values */
const request = (...values) => ({ rawHeaders: values.flatMap((value) => ["authorization", value]) });

const SESSION = {
  id: "019b7c5e-4f05-7c1b-9d2a-3f6f0f1e2d3c",
  user: { id: "7", username: "Zoë 山", email: "zoë@example.com", isStaff: true, isAdmin: false },
  dialect: "knox",
  issued: new Date("2026-01-02T03:04:05Z"),
  expires: new Date("2026-01-02T04:04:05Z"),
};

test("a good token has a session", async () => {
  fake.replies = [reply(GOOD)];
  const client = connect();
  assert.deepEqual(await client.check(TOKEN), SESSION);
  assert.deepEqual(await client.authenticate(request(`Token ${TOKEN}`)), SESSION);
});

test("a token without end", async () => {
  fake.replies = [reply({ ...GOOD, exp: undefined })];
  assert.equal((await connect().check(TOKEN))?.expires, null);
});

test("a token that is not good has none", async () => {
  const client = connect();
  assert.equal(await client.check(TOKEN), null);
  await assert.rejects(client.authenticate(request(`Token ${TOKEN}`)), {
    name: "NotAuthenticated",
    detail: "Invalid token.",
  });
});

test("the request is that of the standard", async () => {
  await connect({ url: `${fake.url}/below`, clientId: "a b", secret: "c:+é" }).check("a+b%=&c");
  const [{ line, headers, body } = assert.fail()] = fake.requests;
  assert.equal(line, "POST /below/introspect/ HTTP/1.1");
  assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
  assert.equal(headers["authorization"], `Basic ${btoa("a+b:c%3A%2B%C3%A9")}`);
  assert.equal(body, "token=a%2Bb%25%3D%26c&counts_as_use=true");
});

test("what cannot be a token is not sent", async () => {
  const client = connect();
  for (const text of ["", "a b", "a\n", "é", "a\0", "a".repeat(4097)]) {
    assert.equal(await client.check(text), null, text);
  }
  assert.equal(fake.requests.length, 0);
});

test("everything else is an outage and no refusal", async () => {
  const statuses = [201, 204, 301, 400, 404, 405, 413, 429, 500, 502, 503, 504];
  const bodies = ["", "no JSON", "null", "[]", "{}", '{"active":false', '{"active":"false"}', "1"];
  const needed = Object.keys(GOOD).filter((name) => !["active", "exp", "token_type"].includes(name));
  const answers = [
    ...statuses.map((status) => reply({ active: false }, status)),
    ...bodies.map((body) => reply(body)),
    ...[0, 1, null, "true", []].map((active) => reply({ active })),
    ...needed.map((name) => reply({ ...GOOD, [name]: undefined })),
    ...needed.flatMap((name) => [null, [], 1.5, {}].map((wrong) => reply({ ...GOOD, [name]: wrong }))),
    ...[null, "x", 1.5].map((exp) => reply({ ...GOOD, exp })),
    reply({ active: false }).slice(0, -1),
    "",
    "no HTTP\r\n\r\n",
  ];
  for (const answer of answers) {
    fake.replies = [answer];
    await assert.rejects(connect({ timeout: 200 }).check(TOKEN), (error) => {
      assert(error instanceof Unavailable && !(error instanceof NotAuthenticated), `${answer}: ${error}`);
      assert.deepEqual([error.status, error.headers], [503, { "Retry-After": "1" }]);
      return true;
    });
  }
});

test("a server that is down or silent is an outage", async (context) => {
  const silent = createServer().listen(0, "127.0.0.1");
  context.after(() => silent.close());
  await once(silent, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (silent.address());
  const url = `http://127.0.0.1:${port}`;
  const started = performance.now();
  await assert.rejects(connect({ url, timeout: 100 }).check(TOKEN), { name: "Unavailable", message: /TimeoutError/ });
  assert(performance.now() - started >= 95);
  silent.close();
  await assert.rejects(connect({ url, timeout: 60_000 }).check(TOKEN), {
    name: "Unavailable",
    message: /ECONNREFUSED/,
  });
  const nowhere = connect({ url: "unix:/nowhere/knoxide.sock" });
  await assert.rejects(nowhere.authenticate(request(`Token ${TOKEN}`)), { name: "Unavailable", status: 503 });
});

test("wrong credentials of the application are an outage of their own", async () => {
  for (const status of [401, 403]) {
    fake.replies = [reply({ error: "invalid_client" }, status)];
    await assert.rejects(connect().check(TOKEN), (error) => {
      assert(error instanceof ClientRefused && error instanceof Unavailable);
      assert.match(error.message, new RegExp(`${status}: invalid_client`));
      return error.status === 503;
    });
  }
});

test("how long to wait is passed on", async () => {
  for (const [header, seconds] of /** @type {const} */ ([
    ["Retry-After: 30\r\n", 30],
    ["Retry-After: soon\r\n", 1],
    ["", 1],
  ])) {
    fake.replies = [reply("", 429, header)];
    const expected = { retryAfter: seconds, headers: { "Retry-After": `${seconds}` } };
    await assert.rejects(connect().check(TOKEN), expected);
  }
});

test("connections are kept and answers are not", async () => {
  fake.replies = [reply(GOOD), reply({ active: false })];
  const client = connect();
  assert.notEqual(await client.check(TOKEN), null);
  assert.equal(await client.check(TOKEN), null);
  for (let i = 0; i < 8; i += 1) {
    await client.check(TOKEN);
  }
  // A second connection may be opened before the first is known to be free.
  assert.equal(fake.requests.length, 10);
  assert(fake.connections <= 2, `${fake.connections} connections`);
});

test("a connection that was closed meanwhile costs no error", async () => {
  fake.replies = ["", reply(GOOD), "", "", reply(GOOD)];
  const client = connect();
  assert.notEqual(await client.check(TOKEN), null);
  await assert.rejects(client.check(TOKEN), Unavailable);
  assert.equal(fake.requests.length, 4);
});

test("a Unix socket", async () => {
  const folder = await mkdtemp(join(tmpdir(), "knoxide-"));
  const local = await new Fake().listen(join(folder, "socket"));
  local.replies = [reply(GOOD)];
  assert.deepEqual(await connect({ url: local.url }).check(TOKEN), SESSION);
  assert.equal(local.requests[0]?.line, "POST /introspect/ HTTP/1.1");
  await local.close();
  await rm(folder, { recursive: true });
});

test("many tokens keep their order", async () => {
  fake.replies = [reply({ results: [{ active: false }, GOOD, { active: false }] })];
  assert.deepEqual(await connect().checkMany(["a", TOKEN, "no token"]), [null, SESSION, null]);
  const [{ line, headers, body } = assert.fail()] = fake.requests;
  assert.deepEqual([line, headers["content-type"]], ["POST /check/ HTTP/1.1", "application/json"]);
  assert.deepEqual(JSON.parse(body), { tokens: ["a", TOKEN, ""], counts_as_use: false });
});

test("whether a check counts as use can be said", async () => {
  fake.replies = [reply({ active: false }), reply({ results: [{ active: false }] })];
  const client = connect();
  await client.check(TOKEN, { countsAsUse: false });
  await client.checkMany([TOKEN], { countsAsUse: true });
  assert.deepEqual(
    fake.requests.map(({ body }) => body.slice(-19)),
    ["counts_as_use=false", 'ounts_as_use":true}'],
  );
});

test("many answers that do not fit are an outage", async () => {
  for (const results of [[], [GOOD], [GOOD, GOOD, GOOD], [GOOD, {}], [GOOD, null], "ab", null]) {
    fake.replies = [reply({ results })];
    await assert.rejects(connect().checkMany(["a", "b"]), Unavailable, JSON.stringify(results));
  }
});

test("many tokens are asked about in parts", async () => {
  const client = connect();
  for (const [token, count, sizes] of /** @type {const} */ ([
    ["a", 0, []],
    ["a", 1000, [1000]],
    ["a", 1001, [1000, 1]],
    ["\\".repeat(4096), 256, [127, 127, 2]],
  ])) {
    fake.requests = [];
    fake.replies = sizes.map((size) => reply({ results: new Array(size).fill({ active: false }) }));
    assert.deepEqual(await client.checkMany(new Array(count).fill(token)), new Array(count).fill(null));
    assert.deepEqual(
      fake.requests.map(({ body }) => JSON.parse(body).tokens.length),
      sizes,
    );
    assert(fake.requests.every(({ body }) => body.length <= 1024 * 1024));
  }
});

test("secrets stay out of texts", async () => {
  fake.replies = [reply("", 500), "", "no HTTP", reply({ error: "invalid_client" }, 401), reply({ active: true })];
  const client = connect();
  const texts = [inspect(client, { depth: 9, showHidden: true }), JSON.stringify(client)];
  for (let i = 0; i < 4; i += 1) {
    const error = await client.check(TOKEN).then(
      () => assert.fail("no error"),
      (error) => error,
    );
    texts.push(inspect(error, { depth: 9, showHidden: true }));
  }
  const secrets = [TOKEN, SECRET, btoa(`${CLIENT_ID}:${SECRET}`)];
  assert.deepEqual(
    texts.filter((text) => secrets.some((secret) => text.includes(secret))),
    [],
  );
});

test("a URL that is wrong or not safe is refused", () => {
  const wrong = ["http://auth.example.com", "http://10.0.0.1:8080", "http://127.0.0.1.example.com", "http://[::2]"];
  wrong.push(
    "ftp://127.0.0.1",
    "127.0.0.1:8080",
    "/run/knoxide.sock",
    "unix:run/knoxide.sock",
    "https://",
    "http://[",
    "",
  );
  wrong.push("https://user:word@auth.example.com", "https://auth.example.com/?a=b", "https://auth.example.com/#a");
  for (const url of wrong) {
    assert.throws(
      () => connect({ url }),
      (error) => error instanceof TypeError && !error.message.includes("word"),
      url,
    );
  }
  for (const url of ["https://auth.example.com/a", "http://127.9.9.9", "http://[::1]:80", "http://localhost:8080"]) {
    connect({ url });
  }
  connect({ url: "http://auth.example.com", insecureHttp: true });
});

test("the secret comes from one place", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "knoxide-"));
  const [file, empty] = [join(folder, "secret"), join(folder, "empty")];
  await Promise.all([writeFile(file, `${SECRET}\n`), writeFile(empty, "\n")]);
  const before = { ...process.env };
  context.after(() => {
    process.env = before;
  });
  Object.assign(process.env, { KNOXIDE_URL: fake.url, KNOXIDE_CLIENT_ID: CLIENT_ID });
  delete process.env["KNOXIDE_CLIENT_SECRET"];
  assert.throws(() => Client.fromEnv(), /KNOXIDE_CLIENT_SECRET/);
  process.env["KNOXIDE_CLIENT_SECRET"] = SECRET;
  const all = [connect({ secretFile: file }), Client.fromEnv()];
  process.env["KNOXIDE_CLIENT_SECRET_FILE"] = file;
  all.push(Client.fromEnv());
  for (const client of all) {
    await client.check(TOKEN);
    await client.close();
  }
  clients = [];
  assert.deepEqual(
    fake.requests.map(({ headers }) => headers["authorization"]),
    new Array(3).fill(`Basic ${btoa(`${CLIENT_ID}:${SECRET}`)}`),
  );
  const options = { url: fake.url, clientId: CLIENT_ID };
  for (const wrong of [{}, { secret: SECRET, secretFile: file }, { secret: "" }, { secretFile: empty }]) {
    assert.throws(() => new Client({ ...options, ...wrong }), /secret/);
  }
  assert.throws(() => new Client({ ...options, secretFile: join(folder, "nowhere") }), { code: "ENOENT" });
  await rm(folder, { recursive: true });
});

const REFUSED = {
  empty: "Invalid token header. No credentials provided.",
  spaces: "Invalid token header. Token string should not contain spaces.",
  characters: "Invalid token header. Token string should not contain invalid characters.",
  invalid: "Invalid token.",
  none: "Authentication credentials were not provided.",
};

test("the header is read as Knoxide and Django REST framework read it", async () => {
  fake.replies = [reply(GOOD)];
  const client = connect();
  for (const header of ["Token x", "token x", "\t tOkEn \t x ", 'Token "x",%']) {
    await client.authenticate(request(header));
  }
  assert.deepEqual(
    fake.requests.map(({ body }) => new URLSearchParams(body).get("token")),
    ["x", "x", "x", '"x",%'],
  );
  /** @type {[keyof typeof REFUSED, string[]][]} */
  const refused = [
    ...["", " \t ", "Bearer x", "Basic YTpi", "Tokens x", "Token: x", "Tokenx", "Token\xa0x", "To\u212aen x"].map(
      (header) => /** @type {["none", string[]]} */ (["none", [header]]),
    ),
    ["none", []],
    ["none", ["Bearer a", "Token b"]],
    ["empty", ["Token"]],
    ["empty", ["token \t"]],
    ["spaces", ["Token a b"]],
    ["spaces", ["Token Token a"]],
    ["spaces", ["Token a\tb"]],
    ["spaces", ["Token a", "Token a"]],
    ["characters", ["Token é"]],
    ["characters", ["Token a\xa0b"]],
    ["invalid", ["Token a\0b"]],
    ["invalid", [`Token ${"a".repeat(4097)}`]],
  ];
  for (const [why, headers] of refused) {
    const expected = { status: 401, detail: REFUSED[why], headers: { "WWW-Authenticate": "Token" } };
    await assert.rejects(client.authenticate(request(...headers)), expected, headers.join());
  }
  assert.equal(fake.requests.length, 4);
});
