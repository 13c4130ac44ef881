// Runs in the thread of the sound: hands every block on, as it comes.
registerProcessor(
  'recorder',
  class extends AudioWorkletProcessor {
    process([input]) {
      if (input[0]) this.port.postMessage(input[0].slice());
      return true;
    }
  },
);
