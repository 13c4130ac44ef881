// Entry point for service workers, which have no workers of their own and may import nothing later: bundled with the
// glue of all builds in it, and the work is done in their own thread.
export * from './index.js';
