// voice-activity-detection: the spans of a sound in which somebody speaks.
import { type AudioInput, toSamples } from '../io/media.js';
import type { Disposable } from '../page/handle.js';
import type { SpeechOptions, SpeechSegment } from '../types.js';
import { type CallOptions, type MediaTaskAdapter, perInput } from './adapter.js';

/** Options of `voice-activity-detection`; names, meanings and defaults are those of silero-vad. */
export type VoiceActivityDetectionOptions = CallOptions & Partial<SpeechOptions>;

/** Finds speech; offsets are in seconds. */
export interface VoiceActivityDetectionPipeline extends Disposable {
  (sound: AudioInput, options?: VoiceActivityDetectionOptions): Promise<SpeechSegment[]>;
  (sounds: AudioInput[], options?: VoiceActivityDetectionOptions): Promise<SpeechSegment[][]>;
}

export const voiceActivityDetection: MediaTaskAdapter<'voice-activity-detection', VoiceActivityDetectionPipeline> = {
  name: 'voice-activity-detection',
  read: toSamples,
  // Half a second and four seconds of silence.
  measured: () =>
    [8_192, 65_536].map((elements) => ({ input: new Float32Array(elements), elements, name: `${elements} samples` })),
  empty: [],
  shape: perInput,
};
