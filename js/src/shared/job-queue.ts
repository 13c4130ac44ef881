// Job queue: runs jobs one after another, in the order in which they came.
export class JobQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** The result of `job`, which runs once every earlier job has ended, successfully or not. */
  run<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job, job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
