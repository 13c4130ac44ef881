// Remote driver: performs the steps of a question to remote models until its answer is there.
import type { Handle } from '../page/handle.js';
import type { AdvanceArgs, AdvanceResult, DecideArgs } from '../protocol/requests.js';
import { throwIfAborted, within } from '../shared/abort.js';
import { messageOf } from '../shared/errors.js';
import { callListener } from '../shared/listener.js';
import type {
  CascadeConfig,
  Consultation,
  Envelope,
  PiiSpan,
  Reason,
  RemoteEvent,
  RemoteRequest,
  Step,
} from '../types.js';
import type { Redactor } from './redactor.js';
import type { PreparedRemote } from './remotes.js';
import { Spending, SpendingUnknown } from './spending.js';
import { attempt, type Feed } from './transport.js';
import { Waiters } from './waiters.js';

/** Called with what goes to a remote model, and with what comes back. */
export interface CascadeCallbacks {
  /** Receives the remote model's words as they arrive, with personal data restored; `index` is the text's. */
  stream_callback?: (words: string, index: number) => void;
  /** Receives every request as it leaves the device; `url` is undefined for the browser's own model. */
  request_callback?: (request: { url: string | undefined; body: string; index: number }) => void;
}

/** The callbacks of one text. */
type TextCallbacks = CascadeCallbacks & { index: number };

/** A question in the form that the engine needs, including a fresh one that does not know it. */
type Asked = Omit<AdvanceArgs, 'event' | 'reason' | 'detail' | 'spend_logs'>;

/** A step, and the question that it belongs to. */
type Advanced = AdvanceResult & { asked: Asked };

/** The result of a question: an answer, or what the remote models say where only that was asked for. */
export type Answered = Envelope | Consultation;

/** A step after which there are more. */
type OpenStep = Exclude<Step, { done: object } | { consulted: object }>;

/** The result in a question's last step. */
function resultOf(step: Step): Answered | undefined {
  return 'done' in step ? step.done : 'consulted' in step ? step.consulted : undefined;
}

/** The number of the question in a step that is not its last. */
function callOf(step: OpenStep): number {
  return ('wait' in step ? step.wait : 'send' in step ? step.send : step.delegate).call;
}

/** Takes questions to the remote models, for one cascade. */
export class RemoteDriver {
  readonly #waiters = new Waiters();
  readonly #spending: Spending | undefined;
  readonly #deadlineMs: number;
  #generation = 0;

  /** @param record Receives what was answered, for the usage ledger. */
  constructor(
    readonly handle: Pick<Handle, 'request' | 'notify'>,
    readonly remotes: PreparedRemote[],
    readonly redactor: Redactor,
    readonly record: (record: string | undefined) => void,
    { deadline_ms = 45_000, budget: { latency_ms: _, ...budget } = {} }: NonNullable<CascadeConfig['policy']> = {},
  ) {
    this.#deadlineMs = deadline_ms;
    const capped = [budget, ...remotes.map(({ config }) => config.caps)];
    const names = remotes.map(({ url, config }) => `${url} ${config.model}`);
    if (capped.some((caps) => Object.keys(caps ?? {}).length > 0)) this.#spending = new Spending(names, deadline_ms);
  }

  /** Goes from step to step until the answer is there. */
  async answer(
    first: Step,
    question: DecideArgs & Pick<AdvanceArgs, 'check'>,
    generation: number,
    callbacks: TextCallbacks,
    signal: AbortSignal,
  ): Promise<Answered> {
    const answered = resultOf(first);
    if (answered !== undefined) return answered;
    const { call, redact } = (first as Extract<Step, { delegate: object }>).delegate;
    let asked: Asked = { ...question, call, generation, stream: callbacks.stream_callback !== undefined };
    try {
      let result = await this.#enqueue(asked, redact, signal);
      for (;;) {
        const ended = resultOf(result.turn.step);
        if (ended !== undefined) return ended;
        const step = result.turn.step as OpenStep;
        // In a fresh engine the question has another number.
        asked = { ...result.asked, call: callOf(step), generation: result.generation };
        result = await this.#perform(step, asked, callbacks, signal);
      }
    } catch (thrown) {
      // The engine may have died, and with it the queue that others wait in: they ask again for their turn.
      if (!signal.aborted) this.#waiters.wakeAll();
      const abandoned = await this.handle.notify('abandon', { call: asked.call, generation: asked.generation });
      if (abandoned?.started !== undefined) this.#waiters.wake(asked.generation, abandoned.started);
      throw thrown;
    } finally {
      this.#waiters.forget(asked.generation, asked.call);
    }
  }

  /** The first step, with the personal data of the text where that is to be redacted. */
  async #enqueue(asked: Asked, redact: boolean, signal: AbortSignal): Promise<Advanced> {
    if (!redact) return this.#advance('enqueue', asked);
    const started = performance.now();
    let spans: PiiSpan[];
    try {
      // It gets as much time as everything that comes after it.
      const late = (): Error => new Error(`The redactor gave no answer within ${this.#deadlineMs} ms.`);
      const find = (signal: AbortSignal): Promise<PiiSpan[]> => this.redactor(asked.inputs[0] as string, signal);
      spans = await within(this.#deadlineMs, signal, find, late);
    } catch (thrown) {
      throwIfAborted(signal);
      return this.#decline(asked, 'redactor-unavailable', messageOf(thrown));
    }
    return this.#advance('enqueue', { ...asked, found: { spans, elapsed_ms: performance.now() - started } });
  }

  /** Performs `step`, and asks the engine for the next one. */
  async #perform(step: OpenStep, asked: Asked, callbacks: TextCallbacks, signal: AbortSignal): Promise<Advanced> {
    if ('send' in step) {
      const event = await this.#send(step.send, asked, callbacks, signal);
      return this.#advance('receive', asked, { event });
    }
    if (!('wait' in step)) return this.#advance('enqueue', asked);
    await this.#waiters.wait(asked.generation, asked.call, step.wait.for_ms, signal);
    return this.#advance('resume', asked);
  }

  /** Makes the attempt that the engine asks for. */
  async #send(
    request: RemoteRequest,
    { call, generation }: Asked,
    { stream_callback, request_callback, index }: TextCallbacks,
    signal: AbortSignal,
  ): Promise<RemoteEvent> {
    const { transport, url } = this.remotes[request.remote] as PreparedRemote;
    const feed: Feed = async (bytes, last) => {
      const { text, over } = await this.handle.request('feed', { call, generation, bytes, last });
      if (text !== '' && !signal.aborted) callListener(() => stream_callback?.(text, index));
      return over;
    };
    const { payload } = request;
    const sent =
      'http' in payload
        ? { url: url && url + payload.http.path, body: payload.http.body }
        : { url: undefined, body: JSON.stringify(payload.prompt) };
    const leaving = (): void => callListener(() => request_callback?.({ ...sent, index }));
    return attempt(transport, request, { leaving, feed }, signal);
  }

  /** Asks the engine for the next step; where there are caps, with the spending of all tabs and under their lock. */
  async #advance(
    op: 'enqueue' | 'resume' | 'receive',
    asked: Asked,
    more: { event?: RemoteEvent } = {},
  ): Promise<Advanced> {
    if (this.#spending === undefined) return this.#request(op, { ...asked, ...more });
    let result: Advanced | undefined;
    try {
      return await this.#spending.exclusively(async (spend_logs) => {
        result = await this.#request(op, { ...asked, ...more, spend_logs });
        return result;
      });
    } catch (thrown) {
      if (!(thrown instanceof SpendingUnknown)) throw thrown;
      // An answer that was paid for is an answer; but nothing more is sent.
      if (op === 'receive') result ??= await this.#request(op, { ...asked, ...more });
      if (result !== undefined && resultOf(result.turn.step) !== undefined) return result;
      return this.#decline(asked, 'spending-unknown', thrown.message);
    }
  }

  #decline(asked: Asked, reason: Reason, detail: string): Promise<Advanced> {
    return this.#request('decline', { ...asked, reason, detail });
  }

  /** One request to the engine, which is never aborted: its answer may let others go on. */
  async #request(op: 'enqueue' | 'resume' | 'receive' | 'decline', args: AdvanceArgs): Promise<Advanced> {
    const result = await this.handle.request(op, args);
    this.record(result.record);
    if (result.generation > this.#generation) {
      this.#generation = result.generation;
      this.#waiters.wakeAll();
    }
    if (result.turn.started !== undefined) this.#waiters.wake(result.generation, result.turn.started);
    const { event: _, reason: __, detail: ___, spend_logs: ____, ...asked } = args;
    return { ...result, asked };
  }
}
