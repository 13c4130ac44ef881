import { readFile } from 'node:fs/promises';

export async function load(path) {
  const text = await readFile(path, 'utf8');
  return JSON.parse(text).filter((row) => row.kept !== false);
}
