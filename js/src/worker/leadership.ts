// Leadership: of all threads and tabs of this origin that learn the same, one leads, and they hear of one another.

/** What they say: that there are new labels, or another state. */
type Word = 'labels' | 'state';

interface Listeners {
  /** It leads, or no longer does. */
  changed(leads: boolean): void;
  heard(word: Word): void;
}

/** Where there are no locks, as in an insecure page, the one that came last leads. */
export class Leadership {
  leads = false;
  readonly #channel: BroadcastChannel | undefined;
  readonly #ended = new AbortController();
  #release: (() => void) | undefined;
  #queued = false;

  constructor(
    readonly name: string,
    readonly listeners: Listeners,
  ) {
    this.#channel = globalThis.BroadcastChannel && new BroadcastChannel(name);
    if (this.#channel) this.#channel.onmessage = ({ data }: MessageEvent<Word>) => listeners.heard(data);
  }

  /** Whether it leads at first; if not, it does when its turn comes. */
  async begin(): Promise<boolean> {
    const free = await this.#request({ ifAvailable: true });
    if (!free) this.#queue();
    return this.leads;
  }

  /** Leads at once, in place of the one that does. */
  async take(): Promise<void> {
    await this.#request({ steal: true });
  }

  /** Another one has taken the lead. */
  lost(): void {
    if (!this.leads || this.#ended.signal.aborted) return;
    this.leads = false;
    this.#release?.();
    this.listeners.changed(false);
    this.#queue();
  }

  say(word: Word): void {
    if (!this.#ended.signal.aborted) this.#channel?.postMessage(word);
  }

  end(): void {
    this.#ended.abort();
    this.leads = false;
    this.#release?.();
    this.#channel?.close();
  }

  #queue(): void {
    if (this.#queued) return;
    this.#queued = true;
    const { signal } = this.#ended;
    void this.#request({ signal }).then((leads) => {
      this.#queued = false;
      if (leads && !signal.aborted) this.listeners.changed(true);
    });
  }

  /** Whether it leads, once the lock has answered. It holds the lock until it is released or taken away. */
  #request(options: LockOptions): Promise<boolean> {
    const { locks } = globalThis.navigator ?? {};
    if (locks === undefined) {
      this.leads = true;
      return Promise.resolve(true);
    }
    return new Promise((answered) => {
      const hold = (lock: Lock | null): Promise<void> | undefined => {
        if (lock === null || this.#ended.signal.aborted || this.leads) {
          answered(this.leads);
          return undefined;
        }
        this.leads = true;
        const held = new Promise<void>((release) => {
          this.#release = release;
        });
        answered(true);
        return held;
      };
      locks.request(this.name, options, hold).catch(() => {
        // It was stolen, or is no longer wanted.
        answered(false);
        if (!options.signal?.aborted) this.lost();
      });
    });
  }
}
