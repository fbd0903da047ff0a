// Clients of the API, whose tokens the pages revoke.

import assert from 'node:assert/strict';

export const DEVICES = {
  'Firefox on Windows': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Safari on iPhone':
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  'Chrome on Android':
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36',
};

// The browser in the screenshots.
export const SHOWN = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36';

export class Api {
  constructor(address) {
    this.address = address;
  }

  // The reply to a login from a device.
  async tryLogin(username, password, device) {
    return fetch(`${this.address}/auth/login/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'User-Agent': DEVICES[device] ?? device },
      body: JSON.stringify({ username, password }),
    });
  }

  // The token of a login.
  async login(username, password, device) {
    const reply = await this.tryLogin(username, password, device);
    assert.equal(reply.status, 200, await reply.clone().text());
    return (await reply.json()).token;
  }

  // The API's current answer to each of these tokens.
  async checks(...tokens) {
    const asked = tokens.map(async (token) => {
      const reply = await fetch(`${this.address}/auth/user/`, { headers: { Authorization: `Token ${token}` } });
      await reply.text();
      return reply.status;
    });
    return Promise.all(asked);
  }
}
