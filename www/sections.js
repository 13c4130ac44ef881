// What else small models do, each section with a model of its own, which is fetched when it is first used.
import { files } from './files.js';
import { personal } from './personal.js';
import { pictures } from './pictures.js';
import { voice } from './voice.js';

for (const [id, start] of Object.entries({ personal, files, voice, pictures })) start(document.getElementById(id));
