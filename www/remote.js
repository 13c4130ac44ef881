import { hostOf } from './text.js';

/**
 * The remote and the user's leave to use it. Nothing is sent while the switch is off, and the address
 * cannot be changed while it is on: leave is given for one address.
 */
export class Remote {
  /** @param {() => void} switched Told when it was turned on or off. */
  constructor(form, switched) {
    const { on, address, model, token } = form.elements;
    Object.assign(this, { on, address, model, token, switched });
    this.words = form.querySelector('#remote-words');
    this.problem = form.querySelector('#address-problem');
    this.details = form.querySelector('details');
    form.addEventListener('submit', (event) => event.preventDefault());
    on.addEventListener('change', () => this.turn(on.checked));
    address.addEventListener('input', () => this.#describe());
    this.#describe();
  }

  /** Fills in what the page's server or its address offers; it stays off. */
  offer({ baseURL, model }) {
    if (baseURL) this.address.value = baseURL;
    if (model) this.model.value = model;
    this.#describe();
  }

  /** Whether an address is the page's own server's; a link may turn on no other. */
  get isOwn() {
    return this.#url()?.origin === location.origin;
  }

  /** The remote as `cascade` wants it; undefined while it is off. */
  get options() {
    if (!this.on.checked) return undefined;
    return {
      baseURL: this.address.value.trim(),
      model: this.model.value.trim() || 'default',
      getToken: () => this.token.value.trim() || undefined,
    };
  }

  /** Whom the messages go to, in a word. */
  get host() {
    return this.#url() ? hostOf(this.address.value.trim(), location.href) : 'the remote';
  }

  /** Turns it on, if there is an address, or off; and tells. */
  turn(on) {
    const wrong = on && this.#url() === undefined;
    this.set(on && !wrong);
    this.address.setAttribute('aria-invalid', wrong);
    this.problem.textContent = wrong ? 'Give the address of a remote first: one that begins with https://, http:// or /.' : '';
    if (wrong) {
      this.details.open = true;
      this.address.focus();
    } else {
      this.switched();
    }
  }

  /** Shows it on or off. */
  set(on) {
    this.on.checked = this.address.readOnly = this.model.readOnly = on;
    this.#describe();
  }

  #url() {
    const value = this.address.value.trim();
    if (!/^(https?:\/\/|\/)/i.test(value)) return undefined;
    try {
      return new URL(value, location.href);
    } catch {
      return undefined;
    }
  }

  #describe() {
    const url = this.#url();
    const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url?.hostname ?? '');
    const open = url?.protocol === 'http:' && !loopback ? ' The connection is not encrypted.' : '';
    const through = this.isOwn ? ' The server of this page may pass them on.' : '';
    this.words.textContent = this.on.checked
      ? `On: messages below the threshold are sent to ${this.host}, without the personal data that is found in them.${through}${open}`
      : `Off: nothing is sent.${open}`;
  }
}
