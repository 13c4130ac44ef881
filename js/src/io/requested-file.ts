// Requested file: what is fetched, and the checks of its length and digest.
import type { FileRequest } from '../types.js';
import { invalidFile } from './http.js';
import type { Progress } from './progress.js';
import type { Sha256 } from './sha256.js';
import type { Bytes } from './stream.js';

/** Receives the bytes of a file as they arrive. */
export interface Sink {
  /** Called before the first bytes with their total count, where it is known. */
  expect(bytes: number): void;
  /** Called with the next bytes. */
  write(bytes: Bytes): void;
}

/** How files are fetched. */
export interface FetchOptions {
  useBrowserCache: boolean;
  progress: Progress;
  signal: AbortSignal;
}

/** The file that is being fetched. */
export interface RequestedFile {
  url: string;
  request: FileRequest;
  cache: Cache | undefined;
  options: FetchOptions;
}

/** @throws PilotLightError kind 'invalid-artefact' where a file has another length than it should have. */
export function checkLength(url: string, length: number, expected: number | undefined): void {
  if (expected === undefined || length === expected) return;
  throw invalidFile(`${url} has ${length} bytes, expected ${expected}.`, length < expected);
}

/** The bytes, in a buffer that may be another, once their digest is found to be the expected one. */
export async function checkDigest(
  { url, request: { sha256 } }: RequestedFile,
  bytes: Bytes,
  hash: Sha256,
): Promise<Bytes> {
  if (sha256 === undefined) return bytes;
  const [digest, same] = await hash.digest(bytes);
  if (digest !== sha256.toLowerCase()) throw invalidFile(`${url} has the digest ${digest}, expected ${sha256}.`);
  return same;
}

/** Reports that the file has arrived. */
export function finish(name: string, bytes: number, progress: Progress): void {
  progress.progress(name, bytes, bytes);
  progress.done(name);
}
