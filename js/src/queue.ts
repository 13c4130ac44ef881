/** Runs jobs one after another, in the order in which they came. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** What `job` gives, once every earlier job has ended, well or badly. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job, job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** Runs jobs at most `width` at once; the others wait in order. */
export function limiter(width: number): <T>(job: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (job) => {
    if (running >= width) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await job();
    } finally {
      // The slot passes straight to the next in line, so that no newcomer overtakes it.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
