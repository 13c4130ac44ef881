// Starts the project's development server as a user does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Starts `cargo xtask serve` on a free port, with `remote` behind `/v1`.
 *
 * `cargo xtask test` avoids the wait for cargo: `$PILOT_LIGHT_XTASK` is the executable of xtask, `$PILOT_LIGHT_ADDRESS` a running
 * server without a remote.
 *
 * @param {{ remote?: { url: string, key?: string, model?: string } }} [options]
 * @returns {Promise<{ url: string, stop(): Promise<void> }>} `url` has no slash at the end.
 */
export async function startServer({ remote } = {}) {
  const { PILOT_LIGHT_ADDRESS, PILOT_LIGHT_XTASK, ...env } = process.env;
  if (PILOT_LIGHT_ADDRESS && !remote) return { url: new URL(PILOT_LIGHT_ADDRESS).origin, stop: async () => undefined };
  const [program, ...before] = PILOT_LIGHT_XTASK ? [PILOT_LIGHT_XTASK] : ['cargo', 'xtask'];
  const settings = {
    PILOT_LIGHT_REMOTE_URL: remote?.url,
    PILOT_LIGHT_REMOTE_KEY: remote?.key,
    PILOT_LIGHT_REMOTE_MODEL: remote?.model,
  };
  const child = spawn(program, [...before, 'serve', '--port', '0'], {
    cwd: ROOT,
    env: { ...env, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`The server ended with ${signal ?? code} before it printed its address.`)),
    );
  });
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
  // From here on its exit status does not matter.
  ended.catch(() => undefined);
  const [url] = /http:\/\/[^\s/]+/.exec(line) ?? [];
  if (url === undefined) {
    child.kill();
    throw new Error(`The server's first line has no address: ${line}`);
  }
  return {
    url,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill();
      await once(child, 'exit');
    },
  };
}
