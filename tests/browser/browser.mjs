// Chromium, driven as a person would use it: it opens pages, fills in fields by their labels, and presses buttons and
// links by their names.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Builder, By, error } from 'selenium-webdriver';
import chrome from 'selenium-webdriver/chrome.js';

// How long anything may take on a busy machine.
const PATIENCE = 30_000;

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--hide-scrollbars',
];

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export class Browser {
  // A browser with a profile of its own in this folder.
  static async start(asked, folder, { scripts = true } = {}) {
    const options = new chrome.Options();
    options.setChromeBinaryPath(asked.chromium);
    options.addArguments(...FLAGS, `--user-data-dir=${folder}`);
    if (!scripts) options.setUserPreferences({ 'profile.default_content_setting_values.javascript': 2 });
    const service = new chrome.ServiceBuilder(asked.chromedriver);
    const driver = await new Builder().forBrowser('chrome').setChromeOptions(options).setChromeService(service).build();
    await driver.manage().setTimeouts({ pageLoad: PATIENCE, script: PATIENCE });
    return new Browser(driver);
  }

  constructor(driver) {
    this.driver = driver;
  }

  async quit() {
    await this.driver.quit();
  }

  async open(address) {
    await this.driver.get(address);
  }

  // The one element at this XPath; waits for it.
  async one(xpath) {
    const locate = async () => (await this.driver.findElements(By.xpath(xpath)))[0] ?? null;
    return this.driver.wait(() => unlessReplaced(locate, null), PATIENCE, `${xpath} is not there`);
  }

  async has(xpath) {
    return (await this.driver.findElements(By.xpath(xpath))).length > 0;
  }

  // The field with this label.
  async field(label) {
    const found = await this.one(`//label[normalize-space()=${quoted(label)}]`);
    return this.driver.findElement(By.id(await found.getAttribute('for')));
  }

  async fill(label, text) {
    const field = await this.field(label);
    await field.clear();
    await field.sendKeys(text);
  }

  // Presses the button or follows the link with this name, inside the element `within`; waits for the next page.
  async press(name, within = '') {
    const named = `[normalize-space()=${quoted(name)}]`;
    await this.leave(await this.one(`${within}//button${named} | ${within}//a${named}`));
  }

  // Clicks, and waits until another page has loaded.
  async leave(element) {
    const before = await this.driver.findElement(By.css('html'));
    await element.click();
    const isGone = async () => (await before.getTagName()) === '';
    await this.driver.wait(() => unlessReplaced(isGone, true), PATIENCE, 'the page does not change');
    await this.one('//main');
  }

  // The visible text of the page.
  async text() {
    return (await this.one('//body')).getText();
  }

  // Waits until the page has this text: pages about work in the background reload themselves until it is done.
  async sees(words) {
    const isThere = async () => words.test(await this.text());
    await this.driver.wait(() => unlessReplaced(isThere, false), PATIENCE, `the page does not say ${words}`);
  }

  // The browser's address and the text of its page, for the message of a failed test.
  async describe() {
    return `${await this.driver.getCurrentUrl()}: ${await this.text()}`;
  }

  async signIn(home, name, password) {
    await this.forgetCookies();
    await this.open(home);
    await this.fill('User name', name);
    await this.fill('Password', password);
    await this.press('Sign in');
  }

  async forgetCookies() {
    await this.devTools('Network.clearBrowserCookies', {});
  }

  async devTools(command, values) {
    return this.driver.sendAndGetDevToolsCommand(command, values);
  }

  // From now on, shows pages as on a phone or a desktop, in light or dark colours.
  async showAs({ width, height, phone, dark }) {
    const deviceScaleFactor = phone ? 2 : 1;
    await this.devTools('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor, mobile: phone });
    const features = [
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
      // Colours in the middle of a transition must not be judged.
      { name: 'prefers-reduced-motion', value: 'reduce' },
    ];
    await this.devTools('Emulation.setEmulatedMedia', { features });
  }

  // The findings of axe for the current page, with all rules or only those about colours.
  async accessibility({ coloursOnly }) {
    if (!(await this.driver.executeScript('return !!window.axe'))) {
      await this.driver.executeScript(AXE);
    }
    const options = { resultTypes: ['violations'], preload: false, ...(coloursOnly ? { runOnly: ['color-contrast', 'link-in-text-block'] } : {}) };
    return this.driver.executeAsyncScript(`
      const [options, done] = arguments;
      axe.run(document, options).then(
        ({ violations }) => done(violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map(({ html }) => html) }))),
        (error) => done([{ id: String(error), impact: 'critical', at: [] }]));`, options);
  }
}

// The result of `look`, or `replaced` if the page is replaced while it runs. The driver has an error code for that, and
// a different error for the moment in which it happens.
async function unlessReplaced(look, replaced) {
  try {
    return await look();
  } catch (problem) {
    const isStale = problem instanceof error.StaleElementReferenceError;
    if (isStale || String(problem.message).includes('does not belong to the document')) return replaced;
    throw problem;
  }
}

function quoted(text) {
  return text.includes("'") ? `"${text}"` : `'${text}'`;
}
