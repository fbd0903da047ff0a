// Does the job in Chromium that the variable ASKED names, and requests on standard output what only the caller can do.

import { createInterface } from 'node:readline';
import { Api } from './api.mjs';
import { Browser } from './browser.mjs';
import * as acts from './acts.mjs';
import * as looks from './looks.mjs';

const asked = JSON.parse(process.env.ASKED);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Moves the clock of the server.
async function advance(seconds) {
  console.log(JSON.stringify({ advance: seconds }));
  await answers.next();
}

const jobs = { acts: acts.all, axe: looks.axe, markup: looks.markup, screenshots: looks.screenshots };
const browser = await Browser.start(asked, `${asked.folder}/profile`, { scripts: asked.job !== 'acts' });
try {
  await jobs[asked.job]({ ...asked, browser, advance, api: new Api(asked.account) });
} finally {
  await browser.quit();
}
process.exit(0);
