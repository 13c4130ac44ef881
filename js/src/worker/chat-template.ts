// Chat templates in the page: Jinja as transformers renders it.

import { doesNotCompile } from '../jinja/errors.js';
import { expression } from '../jinja/expressions.js';
import { applyFilter } from '../jinja/filters.js';
import { globals } from '../jinja/globals.js';
import { Parser } from '../jinja/parser.js';
import { Run, Scope, type Statement, written } from '../jinja/run.js';
import { template as parse } from '../jinja/statements.js';
import { applyTest } from '../jinja/tests.js';
import { toValue } from '../jinja/values.js';
import { invalidInput } from '../shared/errors.js';

/**
 * The text that a model's chat template makes of the variables in `context`.
 *
 * `now` is the time that `strftime_now` writes, as the clock of the place shows it.
 *
 * @throws PilotLightError 'invalid-artefact' for a template that does not compile or does not end, 'invalid-input' with
 * the template's own words where it refuses the messages (`raise_exception`), and where it cannot render them.
 */
export function renderChatTemplate(
  template: string,
  context: Readonly<Record<string, unknown>>,
  now = new Date(),
): string {
  const statements = shallow(
    () => parse(new Parser(template, expression)),
    () => doesNotCompile(1, 'it nests too deep'),
  );
  return shallow(
    () => render(statements, context, now),
    () => invalidInput('The chat template cannot render the messages: values nest too deep.'),
  );
}

function render(statements: Statement[], context: Readonly<Record<string, unknown>>, now: Date): string {
  const run = new Run(now, { filter: applyFilter, test: applyTest });
  const outer = new Scope(run);
  for (const [name, value] of globals(run)) outer.set(name, value);
  for (const [name, value] of Object.entries(context)) outer.set(name, toValue(value));
  return written(statements, outer.inner());
}

/** What `work` returns, or `error` where it exceeds the stack or the longest text. */
function shallow<T>(work: () => T, error: () => Error): T {
  try {
    return work();
  } catch (thrown) {
    throw thrown instanceof RangeError ? error() : thrown;
  }
}
