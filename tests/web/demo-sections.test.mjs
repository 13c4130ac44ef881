// End-to-end tests of the demo page's sections for other models: personal data, files, speech and pictures.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { chromium } from 'playwright-core';

import { launchOptions } from './browser.mjs';
import { assertClean, assertControlsNamed, openDemo } from './demo.mjs';
import { goldenBytes, goldenJson } from './golden.mjs';
import { LIMIT } from './package-page.mjs';
import { startRemote } from './remote.mjs';
import { startServer } from './server.mjs';

const ended = (page, id) =>
  page.waitForFunction((id) => ['done', 'error'].includes(document.getElementById(id).dataset.state), id, LIMIT);
const status = (page, id) => page.innerText(`#${id} [role=status]`);

describe("the demo page's other models", LIMIT, () => {
  let server;
  let browser;
  let pages = [];
  before(async () => {
    const options = launchOptions('none');
    // A fake microphone that plays a beep, with permission granted.
    browser = await chromium.launch({
      ...options,
      args: [...options.args, '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    });
    server = await startServer();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.context().close()));
    pages = [];
  });

  async function open(options) {
    const page = await openDemo(browser, server, { limit: 0, device: 'wasm' }, options);
    pages.push(page);
    await page.waitForFunction(() => document.getElementById('pictures').dataset.state === 'idle');
    return page;
  }

  test('nothing is fetched before it is used', async () => {
    const page = await open();
    assert.deepEqual(
      page.requested.filter((address) => address.endsWith('.onnx')),
      [],
    );
    assertClean(page);
  });

  test('the sentences that matter are marked in a text', async () => {
    const page = await open();
    const text = await page.inputValue('#summaries-text');
    await page.click('#summaries [type=submit]');
    await ended(page, 'summaries');
    assert.match(await status(page, 'summaries'), /^3 sentences, \d\d\.\d% of the text\. On the CPU; nothing left/);
    const marks = await page.$$eval('#summaries mark', (marks) => marks.map(({ textContent }) => textContent));
    assert.equal(marks.length, 3);
    for (const mark of marks) assert.ok(text.includes(mark) && mark.endsWith('.'), mark);
    assert.equal(await page.textContent('#summaries .marked'), text);
    assertClean(page);
  });

  test('the fields of a record are marked in its text, and a wrong schema is refused', async () => {
    const page = await open();
    await page.click('#records [type=submit]');
    await ended(page, 'records');
    assert.match(await status(page, 'records'), /^5 fields, .* On the CPU; nothing left this device/);
    const rows = await page.$$eval('#records tbody tr', (rows) =>
      rows.map((row) => Array.from(row.cells, ({ textContent }) => textContent)),
    );
    assert.deepEqual(
      rows.map(([name]) => name),
      ['name', 'city', 'people', 'date', 'email'],
    );
    assert.deepEqual(rows[4], ['email', 'maria.lund@example.org', '100.0%', 'known by its form']);
    const marks = await page.$$eval('#records mark', (marks) => marks.map((mark) => mark.firstChild.textContent));
    assert.ok(marks.includes('maria.lund@example.org') && marks.includes('2026-12-05'), marks.join());

    await page.fill('#records-schema', '{ "type": "object", "properties": { "a": { "if": {} } } }');
    await page.click('#records [type=submit]');
    await ended(page, 'records');
    assert.match(await status(page, 'records'), /\/properties\/a/);
    assertClean(page);
  });

  test("labels of one's own are taught by the remote, and forgotten", async () => {
    const label = ({ messages }) => (/order|parcel/.test(messages[1].content) ? 'order' : 'money');
    const remote = await startRemote({ label });
    const served = await startServer({ remote });
    try {
      const page = await openDemo(browser, served, { limit: 0, device: 'wasm' });
      pages.push(page);
      await page.fill('#teach-labels', 'order: an order, a parcel\nmoney: an invoice, a payment');
      const messages = Array.from({ length: 6 }, (_, i) =>
        i % 2 ? `Invoice ${i} is wrong.` : `Where is parcel ${i}?`,
      );
      await page.fill('#teach-text', messages.join('\n'));
      await page.click('#teach [type=submit]');
      assert.match(await status(page, 'teach'), /turn on the remote first/);
      assert.equal(remote.requests.length, 0);
      await page.check('#remote-on');
      await page.click('#teach [type=submit]');
      await ended(page, 'teach');
      assert.match(
        await status(page, 'teach'),
        /^No head has been proven yet, after 6 labels; 0 messages stayed here .* 6 requests to /,
      );
      assert.equal(remote.requests.length, 6);
      const charts = await page.$$eval('#teach svg', (charts) =>
        charts.map((chart) => chart.getAttribute('aria-label')),
      );
      assert.match(charts[0], /100\.0% of the last 50 went elsewhere/);
      assert.match(charts[1], /Nothing is promised yet/);
      const saved = [];
      page.on('download', (download) => saved.push(download.suggestedFilename()));
      await page.click('#teach [name=save]');
      await page.waitForFunction(() =>
        /goes into a folder/.test(document.querySelector('#teach [role=status]').textContent),
      );
      while (saved.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
      assert.deepEqual(saved.sort(), ['config.json', 'head.safetensors', 'pilot.json']);
      await page.click('#teach [name=clear]');
      await page.waitForFunction(() => /forgotten/.test(document.querySelector('#teach [role=status]').textContent));
      assertClean(page);
      await assertControlsNamed(page);
    } finally {
      await Promise.all([served.stop(), remote.stop()]);
    }
  });

  test('of a record the unsure fields alone are asked of the remote', async () => {
    const values = {
      name: 'Maria Lund',
      city: 'Oslo',
      people: 4,
      date: '2026-12-05',
      email: '[EMAIL_1]',
      nickname: 'Maria',
    };
    const propertiesOf = ({ response_format }) => response_format.json_schema.schema.properties;
    const said = (request) => Object.keys(propertiesOf(request)).map((name) => [name, values[name]]);
    const remote = await startRemote({
      // The last field that is asked for gets a value that the schema forbids, if there is another.
      reply: (request) => {
        const fields = said(request);
        if (fields.length > 1) fields.at(-1)[1] = ['not a value'];
        return { content: JSON.stringify(Object.fromEntries(fields)) };
      },
    });
    const served = await startServer({ remote });
    try {
      const page = await openDemo(browser, served, { limit: 0, device: 'wasm', remote: '/v1' });
      pages.push(page);
      await page.waitForFunction(() => document.body.dataset.remote === 'on', undefined, LIMIT);
      // Names that the text does not have are not sure, whatever the model makes of them.
      const schema = JSON.parse(await page.inputValue('#records-schema'));
      schema.properties.nickname = { type: 'string' };
      schema.required.push('nickname');
      await page.fill('#records-schema', JSON.stringify(schema));
      await page.click('#records [type=submit]');
      await ended(page, 'records');
      const rows = await page.$$eval('#records tbody tr', (rows) =>
        rows.map((row) => Array.from(row.cells, ({ textContent }) => textContent)),
      );
      const unsure = rows.filter(([, , sure]) => Number.parseFloat(sure) < 80).map(([name]) => name);
      assert.equal(remote.requests.length, 1);
      const [{ body }] = remote.requests;
      assert.deepEqual(Object.keys(propertiesOf(body)).sort(), unsure.sort());
      const [system, user] = body.messages;
      assert.match(user.content, /\[EMAIL_1\]/);
      for (const [name, value] of rows) {
        if (unsure.includes(name)) continue;
        assert.ok(!`${system.content}${JSON.stringify(body.response_format.json_schema.schema)}`.includes(`"${name}"`));
        assert.ok(!system.content.includes(value), value);
      }
      const given = rows.filter(([, , , why]) => why.startsWith('given by')).map(([name]) => name);
      const refused = rows.filter(([, , , why]) => /the schema forbids/.test(why)).map(([name]) => name);
      assert.deepEqual([...given, ...refused].sort(), unsure.sort());
      assert.equal(given.length, Math.max(1, unsure.length - 1));
      assert.match(
        await status(page, 'records'),
        new RegExp(`was asked for ${unsure.length} unsure .* gave ${given.length}`),
      );
      assert.equal(await page.isVisible('#records .sent'), true);
      assert.match(await page.textContent('#records .sent'), /\d\u00a0× email/);
      assertClean(page);
    } finally {
      await Promise.all([served.stop(), remote.stop()]);
    }
  });

  test('code is continued, and stopped where the visitor wants', async () => {
    const page = await open();
    await page.fill('#code-text', 'def add(a, b):\n    return');
    await page.press('#code-text', 'Control+Enter');
    await ended(page, 'code');
    assert.match(await status(page, 'code'), /^\d+ tokens?, confidence 0\.\d\d\. On the CPU; nothing left this device/);
    assert.match(await page.textContent('#code .written mark'), /^ a \+ b/);
    assert.equal(await page.isVisible('#code [type=button]'), false);

    await page.click('#code [type=submit]');
    await page.click('#code [type=button]');
    await ended(page, 'code');
    assert.match(await status(page, 'code'), /^Stopped\./);
    assertClean(page);
  });

  test('personal data is highlighted with its kind', async () => {
    const page = await open();
    const [{ text, entities }] = goldenJson('tasks/personal_data.json');
    await page.fill('#personal-text', text);
    await page.press('#personal-text', 'Control+Enter');
    await ended(page, 'personal');
    assert.match(
      await status(page, 'personal'),
      new RegExp(`^${entities.length} pieces of personal data: .*nothing left this device`),
    );
    const marks = await page.$$eval('#personal mark', (marks) =>
      marks.map((mark) => [mark.firstChild.textContent, mark.querySelector('small').textContent]),
    );
    assert.deepEqual(
      marks,
      entities.map(({ word, entity_group }) => [word, entity_group.toLowerCase().replaceAll('_', ' ')]),
    );
    const shown = await page.$eval('#personal .marked', (marked) => {
      const copy = marked.cloneNode(true);
      for (const kind of copy.querySelectorAll('small')) kind.remove();
      return copy.textContent.replaceAll('  ', ' ');
    });
    assert.equal(shown.replaceAll(/\s/g, ''), text.replaceAll(/\s/g, ''));

    await page.fill('#personal-text', '<b>The rain</b> began.');
    await page.click('#personal button');
    await page.waitForFunction(() =>
      /No personal data/.test(document.querySelector('#personal [role=status]').textContent),
    );
    assert.equal(await page.innerText('#personal .marked'), '<b>The rain</b> began.');
    await page.fill('#personal-text', ' ');
    await page.click('#personal button');
    assert.match(await status(page, 'personal'), /There is no text yet/);
    assertClean(page);
  });

  test('a file is classified by content, chosen or dropped, whatever its name', async () => {
    const page = await open();
    await page.setInputFiles('#files input', {
      name: 'holiday.jpg',
      mimeType: 'image/jpeg',
      buffer: goldenBytes('tasks/files/python.py'),
    });
    await ended(page, 'files');
    assert.match(await status(page, 'files'), /^holiday\.jpg \([\d,]+ bytes\) is python, 9\d\.\d% sure\./);
    assert.equal(await page.locator('#files .guesses li').count(), 3);

    const transfer = await page.evaluateHandle(
      (bytes) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(bytes)], 'dropped'));
        return transfer;
      },
      [...goldenBytes('tasks/files/picture.png')],
    );
    await page.dispatchEvent('#files', 'dragover', { dataTransfer: transfer });
    await page.dispatchEvent('#files', 'drop', { dataTransfer: transfer });
    await page.waitForFunction(() =>
      /^dropped .* is png/.test(document.querySelector('#files [role=status]').textContent),
    );
    assertClean(page);
  });

  test('speech in a file is drawn on a time line and described', async () => {
    const page = await open();
    const buffer = Buffer.from(await (await fetch(`${server.url}/bench/samples/speech/test.wav`)).arrayBuffer());
    await page.setInputFiles('#voice input', { name: 'test.wav', mimeType: 'audio/wav', buffer });
    await ended(page, 'voice');
    const [{ spans }] = goldenJson('tasks/speech.json').cases;
    const count = spans.recording.length;
    assert.match(
      await status(page, 'voice'),
      new RegExp(`^\\d+\\.\\d s of speech, in ${count} segments, in 60\\.0 s of sound`),
    );
    assert.deepEqual(
      [await page.locator('#voice rect').count(), await page.locator('#voice li').count()],
      [count, count],
    );
    assert.match(await page.getAttribute('#voice svg', 'aria-label'), /speech from 0\.0 s to 2\.0 s,/);

    await page.setInputFiles('#voice input', {
      name: 'test.wav',
      mimeType: 'audio/wav',
      buffer: Buffer.from('no sound'),
    });
    await page.waitForFunction(() => document.getElementById('voice').dataset.state === 'error');
    assert.match(await status(page, 'voice'), /cannot be decoded/);
    assertClean(page);
  });

  test('the microphone is recorded until it is stopped', async () => {
    const page = await open();
    await page.click('#voice button');
    await page.waitForFunction(() => parseFloat(document.querySelector('#voice [role=timer]').textContent) > 0.5);
    assert.equal(await page.innerText('#voice button'), 'Stop');
    await page.click('#voice button');
    await ended(page, 'voice');
    assert.match(await status(page, 'voice'), /in \d+\.\d s of sound/);
    assert.equal(await page.innerText('#voice button'), 'Record');
    assertClean(page);
  });

  test('a picture is read, with boxes around its lines', async () => {
    const page = await open();
    await page.click('#pictures button');
    await ended(page, 'pictures');
    assert.match(await status(page, 'pictures'), /lines? of text/);
    const lines = await page.locator('#pictures .lines li').allInnerTexts();
    assert.ok(
      lines.some((line) => /Springfield/.test(line)),
      lines.join(),
    );
    assert.equal(await page.locator('#pictures polygon').count(), lines.length);
    assert.equal(await page.getAttribute('#pictures figure svg', 'viewBox'), '0 0 720 420');

    await page.setInputFiles('#pictures input', {
      name: 'picture.png',
      mimeType: 'image/png',
      buffer: Buffer.from('no picture'),
    });
    await page.waitForFunction(() => document.getElementById('pictures').dataset.state === 'error');
    assert.match(await status(page, 'pictures'), /cannot be decoded/);
  });

  test('a missing model is reported, and works once it is there', async () => {
    const page = await open({ missing: '**/models/magika/**' });
    const choose = () =>
      page.setInputFiles('#files input', {
        name: 'a.py',
        mimeType: 'text/plain',
        buffer: goldenBytes('tasks/files/python.py'),
      });
    await choose();
    await ended(page, 'files');
    assert.match(await status(page, 'files'), /files cannot be used\. .*\/models\/magika\/\S+ is not there/);
    await page.context().unrouteAll();
    await choose();
    await page.waitForFunction(() => document.getElementById('files').dataset.state === 'done');
    assert.match(await status(page, 'files'), /is python/);
  });

  test('it can be done by keyboard, and every control has a name', async () => {
    const page = await open();
    const reached = new Set();
    await page.focus('#personal-text');
    for (let i = 0; i < 8; i += 1) {
      reached.add(
        await page.evaluate(
          () => `${document.activeElement.closest('.panel')?.id} ${document.activeElement.localName}`,
        ),
      );
      await page.keyboard.press('Tab');
    }
    assert.deepEqual(
      [...reached],
      [
        'personal textarea',
        'personal button',
        'files input',
        'voice input',
        'voice button',
        'pictures input',
        'pictures button',
        ...[...reached].slice(7),
      ],
    );
    await assertControlsNamed(page);
  });
});
