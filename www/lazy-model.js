// A model that is loaded when it is first used, and the file input that several sections share.
import { errorWords, excerpt, megabytes } from './text.js';

/**
 * A model of one section of the page. The section shows the state, in its `data-state` ('idle', 'loading', 'working',
 * 'done' or 'error') and in its status line.
 */
export class LazyModel {
  #loaded;
  #settings;
  #call = 0;

  /**
   * @param {HTMLElement} section
   * @param {(options: object) => Promise<object>} open Loads the model.
   * @param {() => string} settings What the model depends on besides its device: where that has changed it is loaded again.
   */
  constructor(section, open, settings = () => '') {
    this.section = section;
    this.open = open;
    this.settings = settings;
    this.status = section.querySelector('[role=status]');
    this.section.dataset.state = 'idle';
  }

  /**
   * Runs `work` with the model, and shows the words it returns, with those about what has left the device where something may
   * have. The result of an earlier call is dropped.
   *
   * @param {(model: object, isCurrent: () => boolean) => Promise<string | { words: string, left: string }>} work
   */
  async use(work) {
    const call = ++this.#call;
    const isCurrent = () => call === this.#call;
    try {
      const model = await this.#load(isCurrent);
      if (!isCurrent()) return;
      this.show('working', 'Running…');
      const result = await work(model, isCurrent);
      if (!isCurrent()) return;
      const { words, left = 'nothing left this device' } = typeof result === 'string' ? { words: result } : result;
      this.show('done', `${words} On ${model.device.kind === 'webgpu' ? 'WebGPU' : 'the CPU'}; ${left}.`);
    } catch (error) {
      if (!isCurrent()) return;
      const { heading, message } = errorWords(error);
      this.show('error', `${heading} ${excerpt(message)}`);
    }
  }

  show(state, words) {
    this.section.dataset.state = state;
    this.status.classList.toggle('wrong', state === 'error');
    this.status.textContent = words;
  }

  async #load(isCurrent) {
    const device = document.getElementById('device').value;
    const settings = `${device} ${this.settings()}`;
    if (this.#loaded === undefined || this.#settings !== settings) {
      const old = this.#loaded;
      this.show('loading', 'Looking for the model…');
      const progress_callback = (info) => {
        if (info.status === 'progress_total' && isCurrent())
          this.show('loading', `Loading the model: ${megabytes(info.loaded)} of ${megabytes(info.total)}.`);
      };
      this.#settings = settings;
      this.#loaded = this.open({ device, progress_callback });
      void old?.then((model) => model.dispose()).catch(() => undefined);
    }
    const loading = this.#loaded;
    try {
      return await loading;
    } catch (error) {
      // The next call tries again.
      if (this.#loaded === loading) this.#loaded = undefined;
      throw error;
    }
  }
}

/** Calls `take` with each file that is chosen in `section`'s input, or dropped on it. */
export function onFile(section, take) {
  const field = section.querySelector('input[type=file]');
  field.addEventListener('change', () => {
    const [file] = field.files;
    // So that the same file can be chosen again.
    field.value = '';
    if (file) take(file);
  });
  section.addEventListener('dragover', (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    section.dataset.over = '';
  });
  section.addEventListener('dragleave', (event) => {
    if (!section.contains(event.relatedTarget)) delete section.dataset.over;
  });
  section.addEventListener('drop', (event) => {
    delete section.dataset.over;
    const [file] = event.dataTransfer?.files ?? [];
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}
