import { pipeline } from 'pilot-light';
import { Lazy, onFile } from './lazy-model.js';
import { many, percent } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
/** What the example says; drawn here, so that it need not be fetched. */
const EXAMPLE = ['Pilot Light Café', '12 High Street, Springfield', '2 × Flat white      7.40', '1 × Lemon cake      4.25', 'Total              11.65', 'Thank you, come again!'];

/** The text in a picture, with boxes round its lines. */
export function pictures(section) {
  const model = new Lazy(section, (options) => pipeline('image-to-text', '/models/pp-ocrv4', options));
  const figure = section.querySelector('figure');
  const [image, boxes, list] = [figure.querySelector('img'), figure.querySelector('svg'), section.querySelector('.lines')];
  let address;

  const read = async (file) => {
    URL.revokeObjectURL(address);
    image.src = address = URL.createObjectURL(file);
    figure.hidden = false;
    boxes.replaceChildren();
    list.replaceChildren();
    await model.use(async (recognise, isCurrent) => {
      const [{ lines }] = await recognise(file);
      if (!isCurrent()) return '';
      // The box's numbers are the picture's own pixels.
      await image.decode();
      boxes.setAttribute('viewBox', `0 0 ${image.naturalWidth} ${image.naturalHeight}`);
      boxes.replaceChildren(...lines.map(outline));
      list.replaceChildren(...lines.map(item));
      return lines.length === 0 ? 'No text was found.' : `${many(lines.length, 'line')} of text.`;
    });
  };

  onFile(section, read);
  section.querySelector('button').addEventListener('click', async () => read(await example()));
}

function outline({ box }) {
  const element = document.createElementNS(SVG, 'polygon');
  element.setAttribute('points', box.map((corner) => corner.join()).join(' '));
  return element;
}

function item({ text, score }) {
  const element = document.createElement('li');
  const sure = document.createElement('small');
  sure.textContent = `${percent(score)} sure`;
  element.append(text, ' ', sure);
  return element;
}

/** A receipt. */
async function example() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 720, height: 420 });
  const context = canvas.getContext('2d');
  context.fillStyle = '#fdfcf7';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = '#20242c';
  EXAMPLE.forEach((words, i) => {
    context.font = `${i === 0 ? 'bold 40px' : '28px'} 'Liberation Sans', Arial, sans-serif`;
    context.fillText(words, 60, 80 + i * 58);
  });
  return new Promise((resolve) => canvas.toBlob(resolve));
}
