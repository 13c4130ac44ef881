import { pipeline } from 'pilot-light';
import { Lazy, onFile } from './lazy-model.js';
import { Recorder } from './recorder.js';
import { many, percent } from './text.js';

const RATE = 16_000;
/** The time line is so many units wide, whatever its sound's length. */
const WIDTH = 1000;
const HEIGHT = 100;
const SVG = 'http://www.w3.org/2000/svg';

const seconds = (value) => `${value.toFixed(1)} s`;

/** Where somebody speaks, in a file or at the microphone, on a time line. */
export function voice(section) {
  const model = new Lazy(section, (options) => pipeline('voice-activity-detection', '/models/silero-vad', options));
  const line = section.querySelector('svg');
  const list = section.querySelector('.segments');
  const button = section.querySelector('button');
  let recorder;

  const show = (samples) =>
    model.use(async (detect, isCurrent) => {
      const found = await detect(samples);
      if (!isCurrent()) return '';
      draw(line, samples, found);
      list.replaceChildren(...found.map(segment));
      const spoken = found.reduce((sum, { start, end }) => sum + end - start, 0);
      const words = found.length === 0 ? 'Nobody speaks' : `Somebody speaks for ${seconds(spoken)}, in ${many(found.length, 'stretch').replace('stretchs', 'stretches')},`;
      return `${words} in ${seconds(samples.length / RATE)} of sound.`;
    });

  onFile(section, async (file) => {
    try {
      await show(await decode(file));
    } catch (error) {
      model.tell('error', `This sound cannot be decoded. ${error.message}`);
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
        if (section.dataset.state === 'recording') section.querySelector('[role=timer]').textContent = seconds(length / RATE);
      });
      button.textContent = 'Stop';
      model.tell('recording', 'Listening. What you say stays in this page.');
    } catch (error) {
      model.tell('error', `The microphone cannot be had. ${error.message}`);
    }
  });
}

/** A file of sound as one channel at the model's rate. */
async function decode(file) {
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel));
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

/** The sound as a wave, the stretches of speech behind it. */
function draw(line, samples, found) {
  const duration = samples.length / RATE;
  const shape = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const spoken = found.map(({ start, end }) => shape('rect', { x: (start / duration) * WIDTH, width: ((end - start) / duration) * WIDTH, y: 0, height: HEIGHT }));
  line.replaceChildren(...spoken, shape('path', { d: wave(samples) }));
  line.setAttribute('aria-label', `${seconds(duration)} of sound; speech ${found.map(({ start, end }) => `from ${seconds(start)} to ${seconds(end)}`).join(', ') || 'nowhere'}`);
  line.toggleAttribute('hidden', false);
}

/** The loudest of each of `WIDTH` parts, up and down from the middle. */
function wave(samples) {
  const loudest = samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 1e-3);
  const size = samples.length / WIDTH;
  let path = '';
  for (let x = 0; x < WIDTH; x += 1) {
    let peak = 0;
    for (let i = Math.floor(x * size); i < (x + 1) * size && i < samples.length; i += 1) peak = Math.max(peak, Math.abs(samples[i]));
    const reach = (peak / loudest) * (HEIGHT / 2);
    path += `M${x} ${(HEIGHT / 2 - reach).toFixed(1)}v${(2 * reach).toFixed(1)}`;
  }
  return path;
}

function segment({ start, end, confidence }) {
  const item = document.createElement('li');
  item.textContent = `${seconds(start)} to ${seconds(end)}, ${percent(confidence)} sure`;
  return item;
}
