// The section for text in pictures: image-to-text with the lines outlined.
import { pipeline } from 'pilot-light';
import { svgElement, textElement } from './dom.js';
import { LazyModel, onFile } from './lazy-model.js';
import { many, percent } from './text.js';

/** The lines of the example, a receipt that is drawn here and not downloaded. */
const EXAMPLE = [
  'Pilot Light Café',
  '12 High Street, Springfield',
  '2 × Flat white      7.40',
  '1 × Lemon cake      4.25',
  'Total              11.65',
  'Thank you, come again!',
];

export function pictures(section) {
  const model = new LazyModel(section, (options) => pipeline('image-to-text', '/models/pp-ocrv4', options));
  const figure = section.querySelector('figure');
  const [image, boxes, list] = [
    figure.querySelector('img'),
    figure.querySelector('svg'),
    section.querySelector('.lines'),
  ];
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
      // Boxes are in pixels of the picture.
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
  return svgElement('polygon', { points: box.map((corner) => corner.join()).join(' ') });
}

function item({ text, score }) {
  const element = textElement('li', `${text} `);
  element.append(textElement('small', `${percent(score)} sure`));
  return element;
}

/** The example as a PNG. */
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
