// Chat templates in the page's engine against transformers, which runs Jinja2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderChatTemplate } from '../modules/worker/chat-template.js';
import { CONVERSATIONS, golden, isExpected, rendered } from './templates.mjs';

test('expressions and blocks are equal to Jinja2', () => {
  const cases = JSON.parse(golden('cases.json'));
  const several = CONVERSATIONS.find(({ name }) => name === 'several turns');
  assert.ok(cases.length >= 400);
  const wrong = cases
    .map(({ template, ...expected }) => ({ template, expected, got: rendered(template, several) }))
    .filter(({ expected, got }) => !isExpected(got, expected));
  assert.deepEqual(wrong, []);
});

test('templates are equal to transformers', () => {
  const expected = Object.entries(JSON.parse(golden('expected.json')));
  assert.ok(expected.length >= 5 && CONVERSATIONS.length >= 20);
  for (const [name, results] of expected) {
    const template = golden(`templates/${name}.jinja`);
    assert.equal(results.length, CONVERSATIONS.length);
    for (const [index, conversation] of CONVERSATIONS.entries()) {
      const got = rendered(template, conversation);
      assert.ok(isExpected(got, results[index]), `${name}, ${conversation.name}: ${JSON.stringify(got)}`);
    }
  }
});

test('errors say which they are', () => {
  const fails = (template, kind, message) =>
    assert.throws(
      () => renderChatTemplate(template, { messages: [1] }),
      { name: 'PilotLightError', kind, message },
      template,
    );
  fails(
    "{{ raise_exception('Roles must alternate!') }}",
    'invalid-input',
    /^The chat template refuses the messages: Roles must alternate!$/,
  );
  fails('\n{% if %}', 'invalid-artefact', /^The chat template does not compile: line 2: /);
  fails('{{ messages.x.y }}', 'invalid-input', /^The chat template cannot render the messages: 'x' is undefined\.$/);
  assert.throws(() => renderChatTemplate('{{ f }}', { f: () => 1 }), { kind: 'invalid-input' });
});

test('a long conversation is gone through message by message', () => {
  const messages = Array.from({ length: 1000 }, () => ({ role: 'user', content: 'word '.repeat(60) }));
  const template =
    '{% set n = namespace(x=[]) %}{% for m in messages %}{% set n.x = n.x + [m] %}{% endfor %}{{ n.x | length }}';
  assert.equal(renderChatTemplate(template, { messages }), '1000');
});

test('a template that does not end, or asks for too much, is an error', () => {
  const nested = (open, close = '') => `{{ ${open.repeat(20_000)}1${close.repeat(20_000)} }}`;
  const double = (what) =>
    `{% set n = namespace(v=${what}) %}{% for i in range(99) %}{% set n.v = n.v + n.v %}{% endfor %}`;
  for (const template of [
    '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}',
    '{{ range(10 ** 12) }}',
    "{{ 'a' * 10 ** 12 }}",
    "{{ 'a'.center(10 ** 10) }}",
    "{{ '%1000000000d' % 3 }}",
    "{{ ('y' * 1000000).replace('', 'z' * 1000000) }}",
    double("'ab'"),
    double('[1]'),
    ...['[n.v, n.v]', '(n.v, n.v)', "{'a': n.v, 'b': n.v}", 'dict(a=n.v, b=n.v)'].map(
      (pair) =>
        `{% set n = namespace(v=[]) %}{% for i in range(99) %}{% set n.v = ${pair} %}{% endfor %}{{ n.v | tojson }}`,
    ),
    ...['n.x == n.y', 'n.x in [n.y]', "n.x ~ ''", 'n.x | string', 'n.x is eq(n.y)', '[n.y].index(n.x)'].map(
      (use) =>
        `{% set n = namespace(x=[1]) %}{% for i in range(16) %}{% set n.x = n.x + n.x %}{% endfor %}` +
        `{% set n.y = n.x + [] %}{% for i in range(99999) %}{% if ${use} %}{% endif %}{% endfor %}`,
    ),
    '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}',
    '{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}',
    '{% set n = namespace(a=[]) %}{% for i in range(99999) %}{% set n.a = [n.a] %}{% endfor %}{{ n.a }}',
    '{% if 1 %}'.repeat(10_000),
    nested('(', ')'),
    nested('not '),
    nested('-'),
    nested('1 + '),
    nested('x.'),
    nested('a if b else '),
  ]) {
    assert.throws(() => renderChatTemplate(template, {}), { name: 'PilotLightError' }, template.slice(0, 100));
  }
});
