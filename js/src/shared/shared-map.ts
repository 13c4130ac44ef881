// Reference-counting map: values that are made for their first user and closed after their last.

/** One user's share of a value. */
export interface Lease<T> {
  readonly value: T;
  /** Gives the share back, once; the last one closes the value. */
  release(): Promise<void>;
  /** Takes the value out of the map, so that the next user gets a new one. Its shares are still to be released. */
  evict(): void;
}

/** A map of shared values. */
export class SharedMap<T> {
  readonly #entries = new Map<string, { value: T; users: number }>();

  /** @param close Called with a value that nobody uses any more. */
  constructor(readonly close: (value: T) => Promise<void> | void) {}

  /** A share of the value of `key`, which `create` makes for its first user. */
  acquire(key: string, create: () => T): Lease<T> {
    const entry = this.#entries.get(key) ?? { value: create(), users: 0 };
    this.#entries.set(key, entry);
    entry.users += 1;
    const evict = (): void => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    };
    const release = async (): Promise<void> => {
      entry.users -= 1;
      if (entry.users > 0) return;
      evict();
      await this.close(entry.value);
    };
    return { value: entry.value, release, evict };
  }
}
