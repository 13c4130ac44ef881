// Entry point of the page's other sections, each with a model that is loaded when it is first used.
import { code } from './code.js';
import { files } from './files.js';
import { personal } from './personal.js';
import { pictures } from './pictures.js';
import { records } from './records.js';
import { summaries } from './summaries.js';
import { teach } from './teach.js';
import { voice } from './voice.js';

for (const [id, start] of Object.entries({ personal, files, voice, pictures, summaries, teach, records, code }))
  start(document.getElementById(id));
