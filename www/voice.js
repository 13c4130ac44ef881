// The section for speech: voice-activity-detection in a file or from the microphone, on a time line.
import { pipeline } from 'pilot-light';
import { svgElement, textElement } from './dom.js';
import { LazyModel, onFile } from './lazy-model.js';
import { Recorder } from './recorder.js';
import { many, percent } from './text.js';

const RATE = 16_000;
/** The size of the time line in its own units, whatever the length of the sound. */
const WIDTH = 1000;
const HEIGHT = 100;

const seconds = (value) => `${value.toFixed(1)} s`;

export function voice(section) {
  const model = new LazyModel(section, (options) =>
    pipeline('voice-activity-detection', '/models/silero-vad', options),
  );
  const line = section.querySelector('svg');
  const list = section.querySelector('.segments');
  const button = section.querySelector('button');
  let recorder;

  const show = (samples) =>
    model.use(async (detect, isCurrent) => {
      const found = await detect(samples);
      if (!isCurrent()) return '';
      draw(line, samples, found);
      list.replaceChildren(...found.map(segmentItem));
      const spoken = found.reduce((sum, { start, end }) => sum + end - start, 0);
      const words =
        found.length === 0 ? 'No speech' : `${seconds(spoken)} of speech, in ${many(found.length, 'segment')},`;
      return `${words} in ${seconds(samples.length / RATE)} of sound.`;
    });

  onFile(section, async (file) => {
    try {
      await show(await decode(file));
    } catch (error) {
      model.show('error', `This sound cannot be decoded. ${error.message}`);
    }
  });

  button.addEventListener('click', async () => {
    if (recorder) {
      const samples = await recorder.stop();
      recorder = undefined;
      button.textContent = 'Record';
      await show(samples);
      return;
    }
    try {
      recorder = await Recorder.start(RATE, (length) => {
        if (section.dataset.state === 'recording')
          section.querySelector('[role=timer]').textContent = seconds(length / RATE);
      });
      button.textContent = 'Stop';
      model.show('recording', 'Listening. What you say stays in this page.');
    } catch (error) {
      model.show('error', `The microphone is not available. ${error.message}`);
    }
  });
}

/** Decodes a sound file to one channel at the model's sample rate. */
async function decode(file) {
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel));
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

/** Draws the waveform, with the segments of speech behind it. */
function draw(line, samples, found) {
  const duration = samples.length / RATE;
  const spoken = found.map(({ start, end }) =>
    svgElement('rect', {
      x: (start / duration) * WIDTH,
      width: ((end - start) / duration) * WIDTH,
      y: 0,
      height: HEIGHT,
    }),
  );
  line.replaceChildren(...spoken, svgElement('path', { d: wave(samples) }));
  line.setAttribute(
    'aria-label',
    `${seconds(duration)} of sound; speech ${found.map(({ start, end }) => `from ${seconds(start)} to ${seconds(end)}`).join(', ') || 'nowhere'}`,
  );
  line.toggleAttribute('hidden', false);
}

/** The waveform as a path: the peak of each of `WIDTH` equal parts, up and down from the middle. */
function wave(samples) {
  const loudest = samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 1e-3);
  const size = samples.length / WIDTH;
  let path = '';
  for (let x = 0; x < WIDTH; x += 1) {
    let peak = 0;
    for (let i = Math.floor(x * size); i < (x + 1) * size && i < samples.length; i += 1)
      peak = Math.max(peak, Math.abs(samples[i]));
    const reach = (peak / loudest) * (HEIGHT / 2);
    path += `M${x} ${(HEIGHT / 2 - reach).toFixed(1)}v${(2 * reach).toFixed(1)}`;
  }
  return path;
}

function segmentItem({ start, end, confidence }) {
  return textElement('li', `${seconds(start)} to ${seconds(end)}, ${percent(confidence)} sure`);
}
