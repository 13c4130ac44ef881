import { abortable, throwIfAborted, withController } from './abort.js';
import { messageOf } from './errors.js';
import type { Handle } from './handle.js';
import type { DecideArgs, DelegateArgs, Op, TurnResult } from './protocol.js';
import type { Redactor } from './redactor.js';
import type { ReadyRemote } from './remote.js';
import { Spending, SpendingUnknown } from './spending.js';
import { attempt, type Feed } from './transport.js';
import { Turns } from './turns.js';
import type { CascadeConfig, Envelope, MarkedSpan, Reason, RemoteEvent, RemoteRequest, Step } from './types.js';

/** Who is told of what goes to the general model, and of what comes back. */
export interface Watchers {
  /** Receives the general model's words as they come, with personal data put back; `index` is the text's. */
  stream_callback?: (words: string, index: number) => void;
  /** Is told of every request, as it leaves the device; `url` is undefined for the browser's own model. */
  request_callback?: (request: { url: string | undefined; body: string; index: number }) => void;
}

/** A question that was decided on, for the engine; with all of it, should the engine be a fresh one. */
type Asked = Omit<DelegateArgs, 'event' | 'reason' | 'detail' | 'ledgers'>;

/** Takes the questions that the local model is not sure of to the general models, and back. */
export class Delegate {
  readonly #turns = new Turns();
  readonly #spending: Spending | undefined;
  readonly #deadlineMs: number;
  #generation = 0;

  constructor(
    readonly handle: Pick<Handle, 'request' | 'notify'>,
    readonly remotes: ReadyRemote[],
    readonly redactor: Redactor,
    readonly enter: (record: string | undefined) => void,
    { deadline_ms = 45_000, budget: { latency_ms: _, ...budget } = {} }: NonNullable<CascadeConfig['policy']> = {},
  ) {
    this.#deadlineMs = deadline_ms;
    const capped = [budget, ...remotes.map(({ config }) => config.caps)].some(
      (caps) => Object.keys(caps ?? {}).length > 0,
    );
    this.#spending = capped ? new Spending(remotes.map(({ url, config }) => `${url} ${config.model}`)) : undefined;
  }

  /** Goes from step to step until the answer is there. */
  async answer(
    first: Step,
    question: DecideArgs & Pick<DelegateArgs, 'check'>,
    generation: number,
    watchers: Watchers & { index: number },
    signal: AbortSignal,
  ): Promise<Envelope> {
    if (!('delegate' in first)) return (first as Extract<Step, { done: Envelope }>).done;
    const { call, redact } = first.delegate;
    let asked: Asked = { ...question, call, generation, stream: watchers.stream_callback !== undefined };
    try {
      let result = await this.#begin(asked, redact, signal);
      for (;;) {
        const { step } = result.turn;
        if ('done' in step) return step.done;
        // In a fresh engine it is known by another number.
        const known = 'wait' in step ? step.wait : 'send' in step ? step.send : step.delegate;
        asked = { ...result.asked, call: known.call, generation: result.generation };
        if ('send' in step) {
          const event = await this.#send(step.send, asked, watchers, signal);
          result = await this.#advance('resume', asked, { event });
        } else {
          if ('wait' in step) await this.#turns.wait(asked.generation, asked.call, step.wait.for_ms, signal);
          result = await this.#advance('begin', asked);
        }
      }
    } catch (thrown) {
      // The engine may have died, and with it the queue that others wait in: they ask again whose turn it is.
      if (!signal.aborted) this.#turns.startAll();
      const abandoned = await this.handle.notify('abandon', { call: asked.call, generation: asked.generation });
      if (abandoned?.started !== undefined) this.#turns.start(asked.generation, abandoned.started);
      throw thrown;
    } finally {
      this.#turns.forget(asked.generation, asked.call);
    }
  }

  async #begin(asked: Asked, redact: boolean, signal: AbortSignal): Promise<TurnResult & { asked: Asked }> {
    if (!redact) return this.#advance('begin', asked);
    const started = performance.now();
    let spans: MarkedSpan[];
    try {
      spans = await this.#redact(asked.inputs[0] as string, signal);
    } catch (thrown) {
      throwIfAborted(signal);
      return this.#decline(asked, 'redactor-unavailable', messageOf(thrown));
    }
    return this.#advance('begin', { ...asked, marked: { spans, elapsed_ms: performance.now() - started } });
  }

  /** What the redactor finds, which is waited for as long as for all that comes after it. */
  #redact(text: string, signal: AbortSignal): Promise<MarkedSpan[]> {
    return withController(signal, async (controller) => {
      const tooLong = new Error(`Personal data was looked for in vain for ${this.#deadlineMs} ms.`);
      const timer = setTimeout(() => controller.abort(tooLong), this.#deadlineMs);
      try {
        return await abortable(this.redactor(text, controller.signal), controller.signal);
      } catch (thrown) {
        throw controller.signal.reason === tooLong ? tooLong : thrown;
      } finally {
        clearTimeout(timer);
      }
    });
  }

  /** Makes the attempt that the engine asks for. */
  async #send(
    request: RemoteRequest,
    { call, generation }: Asked,
    { stream_callback, request_callback, index }: Watchers & { index: number },
    signal: AbortSignal,
  ): Promise<RemoteEvent> {
    const { ask, url } = this.remotes[request.remote] as ReadyRemote;
    const feed: Feed = async (bytes, last) => {
      const { text, over } = await this.handle.request('feed', { call, generation, bytes, last });
      if (text !== '' && !signal.aborted) tell(() => stream_callback?.(text, index));
      return over;
    };
    const leaving = (): void =>
      tell(() => request_callback?.({ url: url && url + request.path, body: request.body, index }));
    return attempt(ask, request, { leaving, feed }, signal);
  }

  /** Asks the engine for the next step; where there are caps, with what all tabs have spent, and alone among them. */
  async #advance(
    op: 'begin' | 'resume',
    asked: Asked,
    more: { event?: RemoteEvent } = {},
  ): Promise<TurnResult & { asked: Asked }> {
    if (this.#spending === undefined) return this.#turn(op, { ...asked, ...more });
    let result: (TurnResult & { asked: Asked }) | undefined;
    try {
      return await this.#spending.exclusively(
        async (ledgers) => (result = await this.#turn(op, { ...asked, ...more, ledgers })),
      );
    } catch (thrown) {
      if (!(thrown instanceof SpendingUnknown)) throw thrown;
      // An answer that was paid for is an answer; but nothing more is sent.
      if (op === 'resume') result ??= await this.#turn(op, { ...asked, ...more });
      if (result !== undefined && 'done' in result.turn.step) return result;
      return this.#decline(asked, 'spending-unknown', thrown.message);
    }
  }

  #decline(asked: Asked, reason: Reason, detail: string): Promise<TurnResult & { asked: Asked }> {
    return this.#turn('decline', { ...asked, reason, detail });
  }

  /** One request to the engine, which is never aborted: its answer may let others go on. */
  async #turn(
    op: Extract<Op, 'begin' | 'resume' | 'decline'>,
    args: DelegateArgs,
  ): Promise<TurnResult & { asked: Asked }> {
    const result = await this.handle.request(op, args);
    this.enter(result.record);
    if (result.generation > this.#generation) {
      this.#generation = result.generation;
      this.#turns.startAll();
    }
    if (result.turn.started !== undefined) this.#turns.start(result.generation, result.turn.started);
    const { event: _, reason: __, detail: ___, ledgers: ____, ...asked } = args;
    return { ...result, asked };
  }
}

/** A watcher that throws is the page's error to see, and no reason to lose an answer. */
function tell(watcher: () => void): void {
  try {
    watcher();
  } catch (error) {
    reportError(error);
  }
}
