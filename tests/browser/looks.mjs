// The appearance of the pages: light and dark, on a phone and on a desktop.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { DEVICES, SHOWN } from './api.mjs';

const DESKTOP = { width: 1280, height: 800, phone: false };
const PHONE = { width: 390, height: 844, phone: true };
const LOOKS = {
  'desktop-light': { ...DESKTOP, dark: false },
  'desktop-dark': { ...DESKTOP, dark: true },
  'phone-light': { ...PHONE, dark: false },
  'phone-dark': { ...PHONE, dark: true },
};

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// Some days in the life of a small service.
async function live({ api, advance, password }) {
  const [laptop, phone, tablet] = Object.keys(DEVICES);
  await api.login('carol', password, phone);
  await api.login('alice', password, tablet);
  await advance(3 * DAY);
  await api.login('dave', password, tablet);
  await api.login('alice', password, laptop);
  await advance(5 * HOUR);
  for (let guesses = 0; guesses < 4; guesses += 1) await api.tryLogin('carol', 'a guess', 'python-requests/2.32');
  await advance(40 * MINUTE);
  await api.login('alice', password, phone);
  await api.login('bob', password, 'curl/8.5.0');
  await advance(3 * MINUTE);
}

// The pages, each as a step that opens it. The first ones need no sign-in.
function steps({ browser, admin, account, advance, password, pages }) {
  const open = (address) => () => browser.open(address);
  const after = (path, act) => async () => {
    await browser.open(admin + path);
    await act();
  };
  return {
    'admin-sign-in': async () => {
      await browser.forgetCookies();
      await browser.open(`${admin}/admin/`);
    },
    'admin-sign-in-refused': () => browser.signIn(`${admin}/admin/`, 'root', 'wrong'),
    'admin-overview': async () => {
      await browser.signIn(`${admin}/admin/`, 'root', password);
      // The server may still be counting.
      while (!(await browser.has('//dl'))) await browser.open(`${admin}/admin/`);
    },
    ...Object.fromEntries(pages.admin.map((path) => [path, open(admin + path)])),
    'no-such-page': open(`${admin}/admin/nothing/`),
    'nobody-matches': open(`${admin}/admin/users/?q=nobody`),
    'no-session-matches': open(`${admin}/admin/sessions/?device=nothing`),
    'admin-explained': open(`${admin}/admin/explain/?session_id=${pages.session}`),
    'admin-mass-end': async () => {
      await browser.open(`${admin}/admin/sessions/end/?device=Windows`);
      await browser.sees(/would end/);
    },
    'admin-events': open(`${admin}/admin/events/`),
    'admin-user-new-mistakes': after('/admin/users/new/', async () => {
      await browser.fill('User name', 'alice');
      await browser.press('Create');
    }),
    'admin-token-made': after(`/admin/tokens/new/?user=${pages.user}`, async () => {
      await browser.fill('Name', 'backup');
      await browser.fill('Days', '90');
      await browser.press('Make');
    }),
    'admin-tokens': open(`${admin}/admin/tokens/`),
    'account-sign-in': async () => {
      await browser.forgetCookies();
      await browser.open(`${account}/account/`);
    },
    'account-one-time': open(`${account}/account/one-time/`),
    'account-devices': () => browser.signIn(`${account}/account/`, 'alice', password),
    ...Object.fromEntries(pages.account.map((path) => [path, open(account + path)])),
    'account-password-mistakes': async () => {
      await browser.open(`${account}/account/password/`);
      await browser.fill('Current password', password);
      await browser.fill('New password', 'battery-staple-7');
      await browser.fill('New password again', 'something else');
      await browser.press('Change the password');
    },
    'account-nowhere-else': async () => {
      await browser.open(`${account}/account/`);
      await browser.press('Sign out all other devices');
    },
    'admin-password-again': async () => {
      await browser.signIn(`${admin}/admin/`, 'root', password);
      await advance(6 * MINUTE);
      await browser.open(`${admin}/admin/keys/`);
      await browser.press('Rotate');
    },
  };
}

// In every look, axe has no serious findings on any page, and no page is wider than the screen.
export async function axe(world) {
  const { browser } = world;
  await live(world);
  const bad = [];
  let seen = 0;
  for (const [name, show] of Object.entries(steps(world))) {
    await show();
    // Collapsed blocks have texts too.
    await browser.driver.executeScript('document.querySelectorAll("details").forEach((each) => { each.open = true; })');
    for (const [look, how] of Object.entries(LOOKS)) {
      await browser.showAs(how);
      for (const { id, impact, at } of await browser.accessibility({ coloursOnly: how.dark })) {
        const line = `${name}, ${look}: ${id} (${impact}) ${at.join(' ')}`;
        if (['serious', 'critical'].includes(impact)) bad.push(line);
        else console.error(`axe, not serious: ${line}`);
      }
      const width = await browser.driver.executeScript('return document.documentElement.scrollWidth');
      if (width > how.width) bad.push(`${name}, ${look}: ${width} pixels wide`);
      seen += 1;
    }
  }
  console.error(`axe looked at ${seen} pages`);
  assert.deepEqual(bad, []);
}

// Names and devices that contain markup are shown as plain text, even in a browser that runs scripts.
export async function markup(world) {
  const { browser, admin, account, api, password, stranger, users } = world;
  await api.login(stranger, password, `${stranger}/1.0`);
  const harmless = async (address) => {
    await browser.open(address);
    await browser.one(`//*[contains(., ${JSON.stringify('hacked=1')})]`);
    assert.ok((await browser.text()).includes(stranger), address);
    const [strange, scripts, images] = await browser.driver.executeScript(
      'return [String(window.hacked), document.scripts.length, [...document.images].filter((image) => image.alt || !image.src.endsWith(".svg")).length]');
    assert.deepEqual([strange, scripts, images], ['undefined', 0, 0], address);
  };
  await browser.signIn(`${admin}/admin/`, 'root', password);
  for (const path of ['/admin/users/', `/admin/users/${users.stranger}/`, '/admin/sessions/', `/admin/sessions/end/?user=${users.stranger}`]) {
    await harmless(admin + path);
  }
  await browser.signIn(`${account}/account/`, stranger, password);
  await harmless(`${account}/account/`);
}

const SHOTS = [
  'admin-sign-in', 'admin-overview', '/admin/users/', 'user', 'admin-mass-end', 'admin-events',
  'account-devices', '/account/password/',
];

// Screenshots of the main pages, in every look.
export async function screenshots(world) {
  const { browser, pages } = world;
  await browser.devTools('Network.setUserAgentOverride', { userAgent: SHOWN });
  await live(world);
  for (const [name, show] of Object.entries(steps(world))) {
    await browser.showAs(LOOKS['desktop-light']);
    await show();
    const known = name === `/admin/users/${pages.user}/` ? 'user' : name;
    if (!SHOTS.includes(known)) continue;
    for (const [look, how] of Object.entries(LOOKS)) {
      await browser.showAs(how);
      const height = await browser.driver.executeScript('return document.documentElement.scrollHeight');
      const clip = { x: 0, y: 0, width: how.width, height: Math.min(height, how.height * 1.6), scale: 1 };
      const { data } = await browser.devTools('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip });
      const file = known.replace(/[^a-z-]+/g, '-').replace(/^-|-$/g, '');
      writeFileSync(`${world.screenshots}/${file}-${look}.png`, Buffer.from(data, 'base64'));
    }
  }
}
