// Records the microphone as one channel of samples.

export class Recorder {
  #stream;
  #context;
  #parts = [];

  /**
   * Asks for the microphone and starts recording.
   *
   * @param {number} rate Samples per second.
   * @param {(length: number) => void} onLength Called with the number of samples so far.
   */
  static async start(rate, onLength) {
    if (!navigator.mediaDevices) throw new Error('This browser offers none here: it needs https or localhost.');
    const recorder = new Recorder();
    recorder.#stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    recorder.#context = new AudioContext({ sampleRate: rate });
    try {
      await recorder.#context.audioWorklet.addModule(new URL('./recorder-worklet.js', import.meta.url));
      const node = new AudioWorkletNode(recorder.#context, 'recorder');
      let length = 0;
      node.port.onmessage = ({ data }) => {
        recorder.#parts.push(data);
        length += data.length;
        onLength(length);
      };
      recorder.#context.createMediaStreamSource(recorder.#stream).connect(node);
    } catch (error) {
      recorder.#close();
      throw error;
    }
    return recorder;
  }

  /** Releases the microphone; returns the samples. */
  async stop() {
    this.#close();
    const samples = new Float32Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      samples.set(part, at);
      at += part.length;
    }
    return samples;
  }

  #close() {
    for (const track of this.#stream.getTracks()) track.stop();
    void this.#context.close();
  }
}
