// A foreign site, with a form that is submitted to one of our pages.

import { createServer } from 'node:http';

export async function attacker(target) {
  const page = `<!DOCTYPE html><title>A prize</title><main><form method="post" action="${target}">
    <input type="hidden" name="form_token" value="guessed"><button>You have won</button></form></main>`;
  const server = createServer((_, reply) => reply.setHeader('Content-Type', 'text/html').end(page));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port: server.address().port, close };
}
