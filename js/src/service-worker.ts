// Entry point for service workers, which have no workers of their own and may import nothing later: everything is imported
// at once, and runs in their own thread.
import { GLUE } from './glue.js';
import { STATIC_GLUE } from './static-glue.js';

export * from './index.js';

Object.assign(GLUE, STATIC_GLUE);
