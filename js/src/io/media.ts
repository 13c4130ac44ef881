// Media inputs: files, sound and images of a page as what models read. Sound and images are decoded by the browser in
// the page's thread, the only one that has decoders for sound.
import { baseAddress } from '../shared/base-address.js';
import { describe, tagOf } from '../shared/check.js';
import { invalidInput, messageOf, PilotLightError } from '../shared/errors.js';
import type { Pixels } from '../types.js';
import type { Bytes } from './stream.js';

/** A file, or its bytes. */
export type FileInput = Blob | ArrayBuffer | ArrayBufferView;
/** Decoded sound: an `AudioBuffer`, which the types of a worker do not have. */
export interface DecodedSound {
  readonly sampleRate: number;
  readonly numberOfChannels: number;
  readonly duration: number;
  getChannelData(channel: number): Float32Array;
}
/** Sound: mono samples at 16 kHz, decoded sound, a sound file, or the address of one on the page's own server. */
export type AudioInput = Float32Array | DecodedSound | Blob | ArrayBuffer | string | URL;
/** An image: decoded, in the page, a file, or the address of one on the page's own server. */
export type ImageInput = ImageData | ImageBitmapSource | string | URL;

/** Samples in a buffer that is not shared. */
type Samples = ReturnType<Float32Array['slice']>;

/** Samples in a second, as models for speech expect them. */
const SAMPLE_RATE = 16_000;
/** This many bytes at either end of a file are enough to tell its type. */
const FILE_END_BYTES = 1 << 16;
/** Larger images than this are no photographs of text. */
const MAX_PIXELS = 1 << 26;

/** The first and the last bytes of a file; all of them where it is short. */
export async function toBytes(input: FileInput): Promise<Bytes> {
  const file = input instanceof Blob ? input : bytesOf(input);
  if (file === undefined) {
    throw invalidInput(`A file must be a Blob, an ArrayBuffer or its bytes, got ${describe(input)}.`);
  }
  const size = file instanceof Blob ? file.size : file.length;
  const part = async (from: number, to: number): Promise<Bytes> =>
    file instanceof Blob ? new Uint8Array(await file.slice(from, to).arrayBuffer()) : file.slice(from, to);
  try {
    if (size <= 2 * FILE_END_BYTES) return await part(0, size);
    const ends = new Uint8Array(2 * FILE_END_BYTES);
    ends.set(await part(0, FILE_END_BYTES));
    ends.set(await part(size - FILE_END_BYTES, size), FILE_END_BYTES);
    return ends;
  } catch (cause) {
    throw invalidInput(`The file cannot be read: ${messageOf(cause)}`, cause);
  }
}

/** The bytes of a buffer, or of a view of one. */
function bytesOf(input: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return tagOf(input) === 'ArrayBuffer' ? new Uint8Array(input as ArrayBuffer) : undefined;
}

/** Sound as mono samples at 16 kHz. */
export async function toSamples(input: AudioInput): Promise<Samples> {
  if (tagOf(input) === 'Float32Array') return (input as Float32Array).slice() as Samples;
  if (tagOf(input) === 'AudioBuffer') return mixDown(await resample(input as DecodedSound));
  const bytes = await soundFile(isUrl(input) ? await fetchOwn(input) : input);
  if (bytes === undefined) {
    throw invalidInput(`Sound must be a Float32Array at 16 kHz, an AudioBuffer or a file, got ${describe(input)}.`);
  }
  const context = audioContext(1);
  try {
    // Decoded at the context's rate, whatever the file's is.
    return mixDown(await context.decodeAudioData(bytes));
  } catch (cause) {
    throw invalidInput(`The sound cannot be decoded: ${messageOf(cause)}`, cause);
  }
}

async function soundFile(file: unknown): Promise<ArrayBuffer | undefined> {
  if (file instanceof Blob) return file.arrayBuffer();
  return tagOf(file) === 'ArrayBuffer' ? (file as ArrayBuffer).slice(0) : undefined;
}

/** An image as RGBA bytes. */
export async function toPixels(input: ImageInput): Promise<Pixels> {
  if (tagOf(input) === 'ImageData') return fromImageData(input as ImageData);
  const source = isUrl(input) ? await fetchOwn(input) : (input as ImageBitmapSource);
  if (typeof source !== 'object' || source === null) {
    throw invalidInput(`An image must be an image, a canvas, a file or the address of one, got ${describe(input)}.`);
  }
  if (typeof globalThis.createImageBitmap !== 'function') throw cannotDecode('Images', 'createImageBitmap');
  let bitmap: ImageBitmap | undefined;
  try {
    bitmap = await createImageBitmap(source);
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) {
      throw invalidInput(`The image has ${width} by ${height} pixels, expected at most ${MAX_PIXELS} in all.`);
    }
    const context = canvas(width, height);
    context.drawImage(bitmap, 0, 0);
    return fromImageData(context.getImageData(0, 0, width, height));
  } catch (cause) {
    if (cause instanceof PilotLightError) throw cause;
    throw invalidInput(`The image cannot be decoded: ${messageOf(cause)}`, cause);
  } finally {
    // A bitmap that was passed in is its owner's to close; this is a copy of it.
    bitmap?.close();
  }
}

function fromImageData({ data, width, height }: ImageData): Pixels {
  return { data: new Uint8Array(data), width, height };
}

function canvas(width: number, height: number): OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D {
  const surface =
    typeof OffscreenCanvas === 'function'
      ? new OffscreenCanvas(width, height)
      : Object.assign(document.createElement('canvas'), { width, height });
  const context = surface.getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D | null;
  if (context === null) throw cannotDecode('Images', 'canvas');
  return context;
}

function audioContext(samples: number): OfflineAudioContext {
  if (typeof OfflineAudioContext === 'function') return new OfflineAudioContext(1, Math.max(1, samples), SAMPLE_RATE);
  throw cannotDecode('Sound', 'OfflineAudioContext', ' Pass a Float32Array at 16 kHz.');
}

function cannotDecode(what: string, missing: string, advice = ''): PilotLightError {
  return new PilotLightError('unsupported', `${what} cannot be decoded here: there is no ${missing}.${advice}`);
}

async function resample(sound: DecodedSound): Promise<DecodedSound> {
  if (sound.sampleRate === SAMPLE_RATE) return sound;
  const context = audioContext(Math.ceil(sound.duration * SAMPLE_RATE));
  const source = new AudioBufferSourceNode(context, { buffer: sound as AudioBuffer });
  source.connect(context.destination);
  source.start();
  return context.startRendering();
}

/** The mean of the channels. */
function mixDown(sound: DecodedSound): Samples {
  const sum = sound.getChannelData(0).slice() as Samples;
  const channels = sound.numberOfChannels;
  for (let channel = 1; channel < channels; channel += 1) {
    const other = sound.getChannelData(channel);
    for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) + (other[i] as number);
  }
  return channels > 1 ? sum.map((sample) => sample / channels) : sum;
}

function isUrl(input: unknown): input is string | URL {
  return typeof input === 'string' || input instanceof URL;
}

/** A file of the page's own server: nothing is fetched from another that the page did not fetch itself. */
async function fetchOwn(address: string | URL): Promise<Blob> {
  let url: URL;
  try {
    url = new URL(address, baseAddress());
  } catch (cause) {
    throw invalidInput(`'${String(address)}' is not an address.`, cause);
  }
  const own = url.protocol === 'data:' || isSameOrigin(url, globalThis.location);
  if (!own) throw invalidInput(`${url.href} is on another server; fetch it yourself and pass the file.`);
  try {
    const response = await fetch(url);
    if (!response.ok) throw invalidInput(`${url.href} was refused with status ${response.status}.`);
    return await response.blob();
  } catch (cause) {
    if (cause instanceof PilotLightError) throw cause;
    throw invalidInput(`${url.href} could not be fetched: ${messageOf(cause)}`, cause);
  }
}

/**
 * Whether `url` is one of the page's own server. The addresses of an extension or an app may have no origin to compare.
 */
function isSameOrigin(url: URL, page: Location | undefined): boolean {
  if (url.origin !== 'null') return url.origin === page?.origin;
  return url.protocol === page?.protocol && url.host === page.host;
}
