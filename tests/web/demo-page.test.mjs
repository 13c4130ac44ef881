// End-to-end tests of the demo page: sorting, the threshold, the remote, the ledger and accessibility.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { chromium } from 'playwright-core';

import { launchOptions, pretendHardware } from './browser.mjs';
import { assertClean, assertControlsNamed, foreign, openDemo, settled } from './demo.mjs';
import { LIMIT } from './package-page.mjs';
import { startRemote } from './remote.mjs';
import { startServer } from './server.mjs';

const MESSAGES = 6;

/** What the rows of `page` show, the newest first. */
const rowsOf = (page) =>
  page.$$eval('[data-route]', (rows) =>
    rows.map(({ dataset: { route, reason, label, confidence, degraded }, innerText }) => ({
      route,
      reason,
      label,
      confidence: Number(confidence),
      degraded: degraded === 'true',
      words: innerText,
    })),
  );
const figure = (page, name) => page.$eval(`#total-${name}`, (cell) => Number(cell.dataset.value));
const requestsOf = (page) => page.$eval('body', ({ dataset }) => Number(dataset.requests));

describe('the demo page', LIMIT, () => {
  let remote;
  let alone;
  let served;
  let browser;
  before(async () => {
    browser = await chromium.launch(launchOptions('none'));
    remote = await startRemote();
    alone = await startServer();
    served = await startServer({ remote });
  });
  after(async () => {
    await browser?.close();
    await Promise.all([alone?.stop(), served?.stop(), remote?.stop()]);
  });

  let pages;
  beforeEach(() => {
    pages = [];
    remote.set();
    remote.forget();
  });
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.context().close()));
  });

  /** A page of `server` that has sorted its messages. */
  async function open(server, query, options) {
    const page = await openDemo(browser, server, { limit: MESSAGES, ...query }, options);
    pages.push(page);
    await settled(page);
    return page;
  }

  for (const [model, labels] of [
    ['spam', ['ham', 'spam']],
    ['sentiment', ['negative', 'positive']],
  ]) {
    test(`without a remote every message is sorted here, for ${model}`, async () => {
      const page = await open(alone, { model });
      const threshold = Number(await page.getAttribute('body', 'data-threshold'));
      const { calibration } = await page.evaluate(
        async (model) => (await fetch(`/models/${model}/pilot.json`)).json(),
        model,
      );
      assert.equal(threshold, calibration.threshold);
      assert.match(
        await page.innerText('#promise'),
        new RegExp(
          `Calibrated on ${calibration.n.toLocaleString('en-GB')} texts: .* at most ${100 * calibration.promise.alpha}% is wrong, with 90% certainty`,
        ),
      );
      assert.equal(await page.isVisible('#uncalibrated'), false);
      const rows = await rowsOf(page);
      assert.equal(rows.length, MESSAGES);
      for (const { route, reason, label, confidence, degraded, words } of rows) {
        assert.deepEqual(
          [route, reason, degraded],
          confidence >= threshold ? ['local', 'confident', false] : ['local', 'no-remote', true],
        );
        assert.ok(labels.includes(label));
        assert.match(words, confidence >= threshold ? /Stayed here/ : /Unsure, would be delegated/);
      }
      assert.deepEqual([await requestsOf(page), await page.isVisible('#no-remote')], [0, true]);
      assert.match(await page.innerText('#sent'), /Nothing has left/);
      assert.match(await page.innerText('#device-words'), /Runs on the CPU.*adapter/);
      assert.ok((await page.$eval('#bytes', ({ dataset }) => Number(dataset.value))) > 90e6);
      assertClean(page);
    });
  }

  test('a threshold other than the calibrated one guarantees nothing, nor does a model without calibration', async () => {
    const set = await open(alone, { threshold: 0.9 });
    assert.deepEqual([await set.innerText('#promise'), await set.isVisible('#uncalibrated')], ['', true]);
    const without = await open(alone, {}, { missing: '**/models/spam/pilot.json' });
    assert.equal(await without.getAttribute('body', 'data-threshold'), '0.9');
    assert.deepEqual([await without.innerText('#promise'), await without.isVisible('#uncalibrated')], ['', true]);
    assertClean(set);
  });

  test('the remote answers what is unsure, and nothing else', async () => {
    const unsure = await open(served, { threshold: 1, remote: '/v1' });
    const rows = await rowsOf(unsure);
    assert.deepEqual(
      rows.map(({ route, reason, degraded }) => [route, reason, degraded]),
      rows.map(() => ['remote', 'unsure', false]),
    );
    assert.deepEqual([rows.length, remote.requests.length, await requestsOf(unsure)], [MESSAGES, MESSAGES, MESSAGES]);
    assert.ok((await figure(unsure, 'tokens')) > 0);
    assertClean(unsure);

    remote.forget();
    const sure = await open(served, { threshold: 0.5, remote: '/v1' });
    assert.deepEqual(
      (await rowsOf(sure)).map(({ route, reason }) => `${route} ${reason}`),
      Array(MESSAGES).fill('local confident'),
    );
    assert.deepEqual([remote.requests.length, await requestsOf(sure)], [0, 0]);
    assertClean(sure);
  });

  test('a message that was sent shows exactly what was sent', async () => {
    const page = await open(served, { threshold: 1, remote: '/v1' });
    const sent = page.locator('[data-route=remote]', { hasText: 'Jane Doe' }).locator('.sent');
    assert.equal(await sent.locator('pre').isVisible(), false, 'shown only on request');
    await sent.locator('summary').focus();
    await page.keyboard.press('Enter');
    const body = await sent.locator('pre').innerText();
    const { messages } = JSON.parse(body);
    assert.ok(remote.requests.some((request) => JSON.stringify(request.body.messages) === JSON.stringify(messages)));
    for (const value of [
      'Jane',
      'Doe',
      'High Street',
      'Springfield',
      '62704',
      '4111',
      '010-4477',
      'jane.doe@example.org',
    ]) {
      assert.ok(!body.includes(value), `${value} is in ${body}`);
    }
    const marks = await sent.locator('pre mark').allInnerTexts();
    assert.ok(marks.includes('[CARD_1]') && marks.includes('[EMAIL_1]'), marks.join());
    const words = await sent.innerText();
    assert.match(words, /POST http.*\/v1\/chat\/completions/);
    assert.match(words, /Removed before it was sent: .*1\s× card.*1\s× email/);
    assert.equal(await page.locator('[data-route] .sent:visible').count(), MESSAGES);
    assertClean(page);
  });

  test('without the redactor nothing is sent, and the page says so', async () => {
    const page = await open(served, { threshold: 1, remote: '/v1' }, { missing: '**/models/rampart/config.json' });
    const rows = await rowsOf(page);
    assert.equal(rows.length, MESSAGES);
    for (const { route, reason, words } of rows) {
      assert.deepEqual([route, reason], ['local', 'redactor-unavailable']);
      assert.match(words, /Not sent, because personal data could not be searched for; local answer kept/);
    }
    assert.deepEqual(
      [remote.requests.length, await requestsOf(page), await page.locator('.sent:visible').count()],
      [0, 0, 0],
    );
  });

  test('nothing is sent before the visitor allows it', async () => {
    const page = await open(served, { threshold: 1 });
    assert.deepEqual([remote.requests.length, await page.$eval('body', ({ dataset }) => dataset.remote)], [0, 'off']);
    await page.check('#remote-on');
    await settled(page);
    assert.equal(remote.requests.length, 0, 'a sorted message is not sent until the user sends it');
    await page.click('#delegate');
    await page.waitForFunction((count) => document.querySelectorAll('[data-route=remote]').length === count, MESSAGES);
    assert.equal(remote.requests.length, MESSAGES);
    await page.uncheck('#remote-on');
    await settled(page);
    await page.fill('#compose-text', 'This one stays.');
    await page.click('#compose button');
    await page.waitForFunction((count) => document.querySelectorAll('[data-route]').length === count, MESSAGES + 1);
    assert.deepEqual([remote.requests.length, (await rowsOf(page))[0].reason], [MESSAGES, 'no-remote']);
    assertClean(page);
  });

  test('a general model on this machine is offered once it is there, and asked when it is turned on', async () => {
    let ready = false;
    const model = 'a-small-one';
    const described = () => (ready ? { remote: { baseURL: '/v1', model, onThisMachine: true } } : { preparing: model });
    const page = await open(
      served,
      { threshold: 1 },
      { prepare: (page) => page.route('**/demo.json', (route) => route.fulfill({ json: described() })) },
    );
    assert.match(await page.textContent('#remote-words'), /^Off.* a-small-one, .* is being prepared on this machine/);
    ready = true;
    await page.waitForFunction(() => /can be asked/.test(document.getElementById('remote-words').textContent));
    assert.equal(await requestsOf(page), 0);
    await page.check('#remote-on');
    await page.waitForFunction(() => document.body.dataset.remote === 'on');
    assert.match(await page.textContent('#remote-words'), /^On: .* are sent to a-small-one on this machine/);
    await settled(page);
    await page.click('#delegate');
    await page.waitForFunction(() => Number(document.body.dataset.requests) > 0);
    assertClean(page);
  });

  test('the threshold can be dragged, and shows what it would delegate', async () => {
    const page = await open(alone, { threshold: 0.5 });
    const confidences = (await rowsOf(page)).map(({ confidence }) => confidence);
    const slider = await page.locator('#threshold').boundingBox();
    const middle = slider.y + slider.height / 2;
    assert.deepEqual([await figure(page, 'stayed'), await figure(page, 'unsure')], [MESSAGES, 0]);
    await page.mouse.move(slider.x + 10, middle);
    await page.mouse.down();
    for (const at of [0.3, 0.7, 1.1]) {
      await page.mouse.move(slider.x + slider.width * at, middle, { steps: 5 });
      const threshold = Number(await page.inputValue('#threshold'));
      const unsure = confidences.filter((confidence) => confidence < threshold).length;
      assert.deepEqual(
        [await figure(page, 'stayed'), await figure(page, 'unsure')],
        [MESSAGES - unsure, unsure],
        `at ${threshold}`,
      );
      assert.match(
        await page.getAttribute('#threshold', 'aria-valuetext'),
        new RegExp(`${MESSAGES - unsure} of ${MESSAGES}`),
      );
    }
    await page.mouse.up();
    assert.equal(Number(await page.inputValue('#threshold')), 1);
    assertClean(page);
  });

  test("the user's own text is sorted, as one message or one per line", async () => {
    const page = await open(alone);
    await page.fill('#compose-text', '<b>You have won</b>\n& a prize 🎉');
    await page.click('#compose button');
    await page.waitForFunction((count) => document.querySelectorAll('[data-route]').length === count, MESSAGES + 1);
    const [own] = await rowsOf(page);
    assert.match(own.words, /<b>You have won<\/b>\s& a prize 🎉/);
    await page.waitForFunction(
      (label) => document.getElementById('compose-result').textContent.startsWith(label),
      own.label,
    );

    await page.check('#per-line');
    await page.fill('#compose-text', 'one\n\ntwo\nthree');
    await page.click('#compose button');
    await page.waitForFunction((count) => document.querySelectorAll('[data-route]').length === count, MESSAGES + 4);
    assert.match(await page.innerText('#compose-result'), /^3 messages: /);

    await page.click('#compose button');
    assert.match(await page.innerText('#compose-result'), /nothing to sort/);
    assertClean(page);
  });

  test('usage is drawn, with text, and persists when the page is loaded again', async () => {
    const page = await open(served, { threshold: 0.9, remote: '/v1' });
    const answers = (count) =>
      page.waitForFunction((count) => document.getElementById('usage').dataset.answers === String(count), count);
    await answers(MESSAGES);
    const routes = (await rowsOf(page)).map(({ route }) => route);
    const remotes = routes.filter((route) => route === 'remote').length;
    assert.ok(remotes > 0 && remotes < MESSAGES, routes.join());
    assert.match(
      await page.innerText('#usage-routes-words'),
      new RegExp(`^${MESSAGES - remotes} answers came from here.* ${remotes} from elsewhere`),
    );
    for (const chart of ['routes', 'risk', 'energy']) {
      assert.ok((await page.locator(`#usage-${chart} :is(rect, polyline)`).count()) > 0, `${chart} is drawn`);
      assert.ok((await page.getAttribute(`#usage-${chart}`, 'aria-label')).length > 40, `${chart} has a text`);
    }
    assert.match(
      await page.innerText('#usage-energy-words'),
      new RegExp(`Had all ${MESSAGES} answers been asked there`),
    );
    assert.match(await page.innerText('#usage-drift'), /calibrat/);
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('#usage-csv')]);
    assert.equal(file.suggestedFilename(), 'pilot-light.csv');

    await page.reload();
    await settled(page);
    await answers(2 * MESSAGES);
    await page.click('#usage-clear');
    await answers(0);
    assertClean(page);
  });

  test('it goes on when the remote is gone', async (t) => {
    const fleeting = await startRemote();
    t.after(() => fleeting.stop());
    const page = await open(alone, { threshold: 1 });
    // The address of the user's own model, typed in.
    await page.click('#remote summary');
    await page.fill('#remote-address', fleeting.url);
    await page.check('#remote-on');
    await settled(page);
    const sortOwn = async (text, count) => {
      await page.fill('#compose-text', text);
      await page.click('#compose button');
      await page.waitForFunction((count) => document.querySelectorAll('[data-route]').length === count, count);
      return (await rowsOf(page))[0];
    };
    const answered = await sortOwn('What do you make of this?', MESSAGES + 1);
    assert.deepEqual([answered.route, answered.reason, fleeting.requests.length], ['remote', 'unsure', 1]);
    assert.deepEqual(page.errors, []);

    await fleeting.stop();
    const after = await sortOwn('And of this?', MESSAGES + 2);
    assert.deepEqual([after.route, after.reason, after.degraded], ['local', 'remote-unreachable', true]);
    assert.match(after.words, /could not be reached; local answer kept/);
    assert.equal(await page.$eval('body', ({ dataset }) => dataset.state), 'done');
    // The browser itself logs the request that failed.
    assert.deepEqual(
      page.errors.filter((error) => !/ERR_CONNECTION_REFUSED/.test(error)),
      [],
    );
    assert.deepEqual(
      foreign(page).filter((address) => !address.startsWith(fleeting.url)),
      [],
    );
  });

  test('a missing model is reported, and can be tried again', async () => {
    const page = await open(alone, {}, { missing: '**/models/spam/config.json' });
    assert.equal(await page.$eval('body', ({ dataset }) => dataset.state), 'error');
    assert.match(await page.innerText('#problem'), /\/models\/spam\/config\.json is not there/);
    await page.context().unrouteAll();
    await page.click('#retry');
    await page.waitForFunction(() => document.body.dataset.state === 'done');
    assert.deepEqual(
      [(await rowsOf(page)).length, await page.isVisible('#problem'), foreign(page)],
      [MESSAGES, false, []],
    );
  });

  test('all of it can be done by keyboard', async () => {
    const page = await open(served, { threshold: 1 });
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'messages-heading');

    await page.reload();
    await settled(page);
    const reach = async (id) => {
      for (let i = 0; i < 60; i += 1) {
        await page.keyboard.press('Tab');
        if (await page.evaluate((id) => document.activeElement.id === id, id)) return;
      }
      assert.fail(`#${id} cannot be reached by Tab`);
    };
    await reach('compose-text');
    await page.keyboard.type('Typed without a mouse.');
    await page.keyboard.press('Control+Enter');
    await page.waitForFunction((count) => document.querySelectorAll('[data-route]').length === count, MESSAGES + 1);

    await reach('threshold');
    await page.keyboard.press('Home');
    assert.equal(await page.inputValue('#threshold'), '0.5');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.inputValue('#threshold'), '0.51');
    await page.keyboard.press('End');
    assert.equal(await page.inputValue('#threshold'), '1');

    await reach('remote-on');
    await page.keyboard.press('Space');
    await page.waitForFunction(() => document.body.dataset.remote === 'on');
    await settled(page);
    await reach('delegate');
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      (count) => document.querySelectorAll('[data-route=remote]').length === count,
      MESSAGES + 1,
    );
    assertClean(page);
  });

  test('a screen reader finds a name for every control', async () => {
    const page = await open(served, { threshold: 1, remote: '/v1' });
    await assertControlsNamed(page);
    assert.match(await page.innerText('#status[role=status]'), /Done\./);
  });

  test('it fits a phone, in light and in dark', async () => {
    const colours = {};
    for (const colorScheme of ['light', 'dark']) {
      const page = await open(alone, {}, { colorScheme, viewport: { width: 360, height: 740 } });
      assert.ok(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        `nothing sticks out in ${colorScheme}`,
      );
      colours[colorScheme] = await page.evaluate(() =>
        [getComputedStyle(document.body), getComputedStyle(document.documentElement)]
          .map(({ backgroundColor }) => backgroundColor)
          .join(),
      );
      assertClean(page);
    }
    assert.notEqual(colours.light, colours.dark);
  });
});

describe('the demo page with WebGPU', LIMIT, () => {
  let browser;
  let server;
  before(async () => {
    browser = await chromium.launch(launchOptions('software'));
    server = await startServer();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test('it takes WebGPU by itself', async () => {
    const page = await openDemo(browser, server, { limit: 1 }, { prepare: (page) => pretendHardware(page, 'fast') });
    await settled(page);
    assert.deepEqual(await page.$eval('body', ({ dataset: { state, device } }) => [state, device]), ['done', 'webgpu']);
    assert.equal((await rowsOf(page)).length, 1);
  });
});
