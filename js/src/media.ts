// What a page has, as what models read. Decoding is the browser's, in the page's thread: its decoders for sound
// are there alone.
import { messageOf, PilotLightError } from './errors.js';
import { invalid } from './input.js';
import { baseAddress } from './resolve.js';
import type { Pixels } from './types.js';

/** A file, or its bytes. */
export type FileInput = Blob | ArrayBuffer | ArrayBufferView;
/** Sound: samples of one channel at 16 kHz, decoded sound, a file of it, or the address of one on the page's own server. */
export type AudioInput = Float32Array | AudioBuffer | Blob | ArrayBuffer | string | URL;
/** A picture: decoded, in the page, a file, or the address of one on the page's own server. */
export type ImageInput = ImageData | ImageBitmapSource | string | URL;

/** Samples in a second, as models for speech want them. */
const SAMPLE_RATE = 16_000;
/** Of a file, so many bytes at either end are enough to tell what it is. */
const FILE_END_BYTES = 1 << 16;
/** Larger pictures than this are no photographs of text. */
const MAX_PIXELS = 1 << 26;

/** The first and the last bytes of a file; all of them where it is short. */
export async function toBytes(input: FileInput): Promise<Uint8Array<ArrayBuffer>> {
  const file = input instanceof Blob ? input : view(input);
  if (file === undefined) throw invalid(`A file must be a Blob, an ArrayBuffer or its bytes, not ${named(input)}.`);
  const size = file instanceof Blob ? file.size : file.length;
  const part = async (from: number, to: number): Promise<Uint8Array<ArrayBuffer>> =>
    file instanceof Blob ? new Uint8Array(await file.slice(from, to).arrayBuffer()) : file.slice(from, to);
  try {
    if (size <= 2 * FILE_END_BYTES) return await part(0, size);
    const ends = new Uint8Array(2 * FILE_END_BYTES);
    ends.set(await part(0, FILE_END_BYTES));
    ends.set(await part(size - FILE_END_BYTES, size), FILE_END_BYTES);
    return ends;
  } catch (cause) {
    throw invalid(`The file cannot be read: ${messageOf(cause)}`, cause);
  }
}

/** The bytes of a buffer, or of what looks into one. */
function view(input: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return tagOf(input) === 'ArrayBuffer' ? new Uint8Array(input as ArrayBuffer) : undefined;
}

/** Sound as one channel at 16 kHz. */
export async function toSamples(input: AudioInput): Promise<Float32Array<ArrayBuffer>> {
  if (tagOf(input) === 'Float32Array') return (input as Float32Array).slice() as Float32Array<ArrayBuffer>;
  if (tagOf(input) === 'AudioBuffer') return mixed(await resampled(input as AudioBuffer));
  const file = isAddress(input) ? await fetchOwn(input) : input;
  const bytes =
    file instanceof Blob
      ? await file.arrayBuffer()
      : tagOf(file) === 'ArrayBuffer'
        ? (file as ArrayBuffer).slice(0)
        : undefined;
  if (bytes === undefined)
    throw invalid(`Sound must be a Float32Array at 16 kHz, an AudioBuffer or a file of it, not ${named(input)}.`);
  const context = audioContext(1);
  try {
    // Decoded at the context's rate, whatever the file's is.
    return mixed(await context.decodeAudioData(bytes));
  } catch (cause) {
    throw invalid(`The sound cannot be decoded: ${messageOf(cause)}`, cause);
  }
}

/** A picture as RGBA bytes. */
export async function toPixels(input: ImageInput): Promise<Pixels> {
  if (tagOf(input) === 'ImageData') return fromImageData(input as ImageData);
  const source = isAddress(input) ? await fetchOwn(input) : (input as ImageBitmapSource);
  if (typeof source !== 'object' || source === null)
    throw invalid(`A picture must be an image, a canvas, a file or the address of one, not ${named(input)}.`);
  if (typeof globalThis.createImageBitmap !== 'function')
    throw new PilotLightError('unsupported', 'Pictures cannot be decoded here: there is no createImageBitmap.');
  let bitmap: ImageBitmap | undefined;
  try {
    bitmap = await createImageBitmap(source);
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS)
      throw invalid(`The picture has ${width} by ${height} pixels, more than ${MAX_PIXELS} in all.`);
    const context = canvas(width, height);
    context.drawImage(bitmap, 0, 0);
    return fromImageData(context.getImageData(0, 0, width, height));
  } catch (cause) {
    if (cause instanceof PilotLightError) throw cause;
    throw invalid(`The picture cannot be decoded: ${messageOf(cause)}`, cause);
  } finally {
    // One that was handed in is its owner's to close; this is a copy of it.
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
  if (context === null)
    throw new PilotLightError('unsupported', 'Pictures cannot be decoded here: there is no canvas.');
  return context;
}

function audioContext(samples: number): OfflineAudioContext {
  if (typeof OfflineAudioContext !== 'function') {
    throw new PilotLightError(
      'unsupported',
      'Sound cannot be decoded here: there is no OfflineAudioContext. Hand in a Float32Array at 16 kHz.',
    );
  }
  return new OfflineAudioContext(1, Math.max(1, samples), SAMPLE_RATE);
}

async function resampled(sound: AudioBuffer): Promise<AudioBuffer> {
  if (sound.sampleRate === SAMPLE_RATE) return sound;
  const context = audioContext(Math.ceil(sound.duration * SAMPLE_RATE));
  const source = new AudioBufferSourceNode(context, { buffer: sound });
  source.connect(context.destination);
  source.start();
  return context.startRendering();
}

/** The mean of the channels. */
function mixed(sound: AudioBuffer): Float32Array<ArrayBuffer> {
  const sum = sound.getChannelData(0).slice() as Float32Array<ArrayBuffer>;
  for (let channel = 1; channel < sound.numberOfChannels; channel += 1) {
    const other = sound.getChannelData(channel);
    for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) + (other[i] as number);
  }
  if (sound.numberOfChannels > 1)
    for (let i = 0; i < sum.length; i += 1) sum[i] = (sum[i] as number) / sound.numberOfChannels;
  return sum;
}

function isAddress(input: unknown): input is string | URL {
  return typeof input === 'string' || input instanceof URL;
}

/** A file of the page's own server: nothing is fetched from anybody else that the page did not fetch itself. */
async function fetchOwn(address: string | URL): Promise<Blob> {
  let url: URL;
  try {
    url = new URL(address, baseAddress());
  } catch (cause) {
    throw invalid(`'${String(address)}' is no address.`, cause);
  }
  const own = url.protocol === 'data:' || url.origin === globalThis.location?.origin;
  if (!own) throw invalid(`${url.href} is on another server; fetch it yourself and hand in the file.`);
  try {
    const response = await fetch(url);
    if (!response.ok) throw invalid(`${url.href} was refused with status ${response.status}.`);
    return await response.blob();
  } catch (cause) {
    if (cause instanceof PilotLightError) throw cause;
    throw invalid(`${url.href} could not be fetched: ${messageOf(cause)}`, cause);
  }
}

/** The class of an object, by its tag: it may come from another frame. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function named(value: unknown): string {
  return value === null ? 'null' : typeof value === 'object' ? `a ${tagOf(value)}` : typeof value;
}
