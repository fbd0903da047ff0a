// The main acts, in a browser that runs no scripts.

import assert from 'node:assert/strict';
import { By } from 'selenium-webdriver';
import { DEVICES } from './api.mjs';
import { attacker } from './attacker.mjs';

const row = (text) => `//tbody/tr[contains(., '${text}')]`;

const ACTS = [
  wrongPassword, oneOfThreeSessions, filteredEnd, ownDevice, ownPassword, earlierForm, foreignPage, expiredCookie, throttled,
];

export async function all(world) {
  for (const act of ACTS) {
    try {
      await act(world);
    } catch (error) {
      throw new Error(`${act.name}, at ${await world.browser.describe()}`, { cause: error });
    }
  }
}

// A wrong password is reported, and the right one signs the user in.
async function wrongPassword({ browser, admin, password }) {
  await browser.signIn(`${admin}/admin/`, 'root', 'wrong');
  assert.match(await (await browser.one('//*[@role="alert"]')).getText(), /wrong/);
  assert.equal(await (await browser.field('User name')).getAttribute('value'), 'root');
  await browser.fill('Password', password);
  await browser.press('Sign in');
  assert.ok(await browser.has('//button[normalize-space()="Sign out"]'));
  // The pages work without scripts, and this browser really runs none.
  await browser.open(`data:text/html,<p id="told">off</p><script>told.textContent = "on"</script>`);
  assert.equal(await (await browser.one('//p')).getText(), 'off');
}

// An administrator finds a user and ends one of three sessions: exactly its token is refused, at once.
async function oneOfThreeSessions({ browser, admin, api, password }) {
  const devices = Object.keys(DEVICES);
  const tokens = [];
  for (const device of devices) tokens.push(await api.login('alice', password, device));
  await browser.open(`${admin}/admin/users/`);
  await browser.fill('Name or e-mail address', 'lic');
  await browser.press('Search');
  assert.equal((await browser.driver.findElements(By.css('tbody tr'))).length, 1);
  await browser.press('alice', row('alice'));
  assert.deepEqual(await api.checks(...tokens), [200, 200, 200]);
  await browser.leave(await browser.one(`${row('Safari on iPhone')}//button`));
  assert.match(await browser.text(), /The session has ended/);
  assert.deepEqual(await api.checks(...tokens), [200, 401, 200]);
  assert.ok(!(await browser.has(row('Safari on iPhone'))));
}

// Sessions that match a condition are ended: they are counted first, and the password is asked for again.
async function filteredEnd({ browser, admin, api, advance, password }) {
  const firefox = [await api.login('bob', password, 'Firefox on Windows'), await api.login('carol', password, 'Firefox on Windows')];
  const other = await api.login('bob', password, 'Chrome on Android');
  await browser.open(`${admin}/admin/sessions/end/`);
  await browser.fill('Part of the device’s name', 'Windows NT');
  await browser.press('Count them');
  await browser.sees(/3 live sessions would end/);
  assert.deepEqual(await api.checks(...firefox, other), [200, 200, 200]);
  await advance(6 * 60);
  await browser.leave(await browser.one('//button[starts-with(normalize-space(), "End 3")]'));
  assert.deepEqual(await api.checks(...firefox, other), [200, 200, 200]);
  await browser.fill('Your password', password);
  await browser.press('Continue');
  await browser.sees(/3 sessions ended/);
  assert.deepEqual(await api.checks(...firefox, other), [401, 401, 200]);
  // Opened again, the page says the same and ends nothing.
  const later = await api.login('bob', password, 'Firefox on Windows');
  await browser.driver.navigate().refresh();
  await browser.sees(/3 sessions ended/);
  assert.deepEqual(await api.checks(later), [200]);
}

// A user ends a session of one of their own devices.
async function ownDevice({ browser, account, api, password }) {
  const [phone, tablet] = [await api.login('bob', password, 'Safari on iPhone'), await api.login('bob', password, 'a tablet')];
  await browser.signIn(`${account}/account/`, 'bob', password);
  assert.ok(await browser.has(row('this device')));
  await browser.leave(await browser.one(`${row('Safari on iPhone')}//button`));
  assert.deepEqual(await api.checks(phone, tablet), [401, 200]);
  assert.ok(!(await browser.has(row('Safari on iPhone'))));
}

// A user changes the password: all other devices are signed out, and this one stays signed in.
async function ownPassword({ browser, account, api, password }) {
  const other = await api.login('bob', password, 'Safari on iPhone');
  const changed = 'battery-staple-7';
  await browser.open(`${account}/account/password/`);
  const change = async (current, again) => {
    await browser.fill('Current password', current);
    await browser.fill('New password', changed);
    await browser.fill('New password again', again);
    await browser.press('Change the password');
  };
  await change('wrong', changed);
  assert.ok(await browser.has('//*[@role="alert"]'));
  await change(password, 'something else');
  assert.ok(await browser.has('//input[@id="new_password_again" and @aria-invalid="true"]'));
  assert.deepEqual(await api.checks(other), [200]);
  await change(password, changed);
  assert.ok(await browser.has('//*[@role="status"]'));
  assert.ok(await browser.has(row('this device')));
  assert.deepEqual(await api.checks(other), [401]);
  assert.notEqual((await api.tryLogin('bob', password, 'a tablet')).status, 200);
  assert.equal((await api.tryLogin('bob', changed, 'a tablet')).status, 200);
}

// A form of an earlier session has no effect, even though the browser has signed in again.
async function earlierForm({ browser, admin, api, password }) {
  const token = await api.login('carol', password, 'Safari on iPhone');
  await browser.signIn(`${admin}/admin/`, 'root', password);
  await browser.open(`${admin}/admin/sessions/`);
  const earlier = await browser.driver.getWindowHandle();
  await browser.driver.switchTo().newWindow('tab');
  await browser.signIn(`${admin}/admin/`, 'root', password);
  await browser.driver.close();
  await browser.driver.switchTo().window(earlier);
  await browser.leave(await browser.one(`${row('carol')}//button`));
  assert.match(await browser.text(), /this form belongs to an earlier session/i);
  assert.deepEqual(await api.checks(token), [200]);
}

// Foreign pages submit forms to ours: from the same site, with the cookie, and from another site, without it.
async function foreignPage({ browser, admin, api, users, password }) {
  const token = await api.login('carol', password, 'Safari on iPhone');
  await browser.signIn(`${admin}/admin/`, 'root', password);
  const theirs = await attacker(`${admin}/admin/users/${users.carol}/end-sessions/`);
  try {
    for (const host of ['localhost', '127.0.0.1']) {
      await browser.open(`http://${host}:${theirs.port}/`);
      await browser.press('You have won');
      assert.match(await browser.text(), /did not come from a page of/);
      assert.deepEqual(await api.checks(token), [200], host);
    }
  } finally {
    theirs.close();
  }
  await browser.open(`${admin}/admin/`);
  assert.ok(await browser.has('//button[normalize-space()="Sign out"]'), 'the session goes on');
}

// After a quarter of an hour without a request, plus the minute after which uses are written, the cookie is no longer
// accepted; signing in returns to the same page.
async function expiredCookie({ browser, admin, advance, password }) {
  await browser.open(`${admin}/admin/keys/`);
  await advance(16 * 60 + 1);
  await browser.press('Users', '//nav');
  assert.ok(!(await browser.has('//button[normalize-space()="Sign out"]')));
  await browser.fill('User name', 'root');
  await browser.fill('Password', password);
  await browser.press('Sign in');
  assert.equal(new URL(await browser.driver.getCurrentUrl()).pathname, '/admin/users/');
}

// After too many wrong passwords, the right one is not tried either until some time has passed.
async function throttled({ browser, account, advance, password }) {
  await browser.signIn(`${account}/account/`, 'dave', 'wrong');
  const attempt = async (text) => {
    await browser.fill('User name', 'dave');
    await browser.fill('Password', text);
    await browser.press('Sign in');
    return browser.text();
  };
  let told = '';
  for (let guesses = 1; guesses < 12; guesses += 1) told = await attempt('wrong');
  assert.match(told, /too many/i);
  assert.match(await attempt(password), /too many/i);
  await advance(15 * 60);
  await attempt(password);
  assert.ok(await browser.has('//button[normalize-space()="Sign out"]'));
}
