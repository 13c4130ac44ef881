/** The microphone, heard as one channel of samples. */
export class Recorder {
  #stream;
  #context;
  #parts = [];

  /**
   * Asks for the microphone and begins to listen.
   *
   * @param {number} rate Samples in a second.
   * @param {(length: number) => void} heard Told how many samples there are.
   */
  static async start(rate, heard) {
    if (!navigator.mediaDevices) throw new Error('This browser has none here (it needs https or localhost).');
    const recorder = new Recorder();
    recorder.#stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    recorder.#context = new AudioContext({ sampleRate: rate });
    try {
      await recorder.#context.audioWorklet.addModule(new URL('./recorder-worklet.js', import.meta.url));
      const node = new AudioWorkletNode(recorder.#context, 'recorder');
      let length = 0;
      node.port.onmessage = ({ data }) => {
        recorder.#parts.push(data);
        heard((length += data.length));
      };
      recorder.#context.createMediaStreamSource(recorder.#stream).connect(node);
    } catch (error) {
      recorder.#close();
      throw error;
    }
    return recorder;
  }

  /** Lets go of the microphone; gives what was heard. */
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
