// Messages between the page and an engine, and the connection that carries them.
import type { ProgressCallback, ProgressInfo } from '../io/progress.js';
import type { ErrorFacts, PilotLightError } from '../shared/errors.js';
import type { GeneratedPiece } from './generation.js';
import type { Args, Op, Result } from './requests.js';

/** What a request takes besides its arguments. */
export interface RequestOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ProgressCallback | undefined;
  /** Receives a reply as it grows. */
  onPiece?: ((piece: GeneratedPiece) => void) | undefined;
}

/** A connection to an engine: in a worker, or in place. */
export interface Connection {
  /** Always settles: with a result, or with a `PilotLightError`. */
  request<K extends Op>(op: K, args: Args<K>, options?: RequestOptions): Promise<Result<K>>;
  /** Why this engine can no longer be used, once it cannot. */
  readonly dead: PilotLightError | undefined;
  /** Ends it; what is pending is rejected. */
  close(): void;
}

/** What is posted to the worker. */
export type ToWorker = { id: number; op: Op; args: Args<Op> } | { abort: number };

/** What the worker posts; `dead` says that its engine must be replaced. */
export type FromWorker =
  | { id: number; progress: ProgressInfo }
  | { id: number; piece: GeneratedPiece }
  | { id: number; result: Result<Op> }
  | { id: number; error: ErrorFacts; dead: ErrorFacts | undefined };
