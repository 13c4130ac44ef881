// The form for the remote model: its address, and the user's permission to use it.
import { hostOf } from './text.js';

/**
 * Nothing is sent while the switch is off, and the address cannot be changed while it is on: permission is given for one
 * address.
 */
export class RemoteForm {
  /** Called after the remote was turned on or off. */
  onSwitch = () => undefined;

  constructor(form) {
    const { on, address, model, token } = form.elements;
    Object.assign(this, { on, address, model, token });
    this.words = form.querySelector('#remote-words');
    this.problem = form.querySelector('#address-problem');
    this.details = form.querySelector('details');
    form.addEventListener('submit', (event) => event.preventDefault());
    on.addEventListener('change', () => this.turn(on.checked));
    address.addEventListener('input', () => this.#describe());
    this.#describe();
  }

  /** Fills in an address and a model; the remote stays off. One on this machine is named as such. */
  offer({ baseURL, model, onThisMachine }) {
    if (baseURL) this.address.value = baseURL;
    if (model) this.model.value = model;
    this.onThisMachine = onThisMachine ? this.address.value : undefined;
    this.preparing = undefined;
    this.#describe();
  }

  /** Says that a model on this machine will be offered; `undefined` says that it will not. */
  prepare(model) {
    this.preparing = model;
    this.#describe();
  }

  /** Whether the address is of the page's own origin; a link may turn on no other. */
  get isOwn() {
    return this.#url()?.origin === location.origin;
  }

  /** The options for `cascade`; undefined while the remote is off. */
  get options() {
    if (!this.on.checked) return undefined;
    return {
      baseURL: this.address.value.trim(),
      model: this.model.value.trim() || 'default',
      getToken: () => this.token.value.trim() || undefined,
    };
  }

  /** A short name of the server that messages go to. */
  get host() {
    if (this.#isOnThisMachine()) return `${this.model.value} on this machine`;
    return this.#url() ? hostOf(this.address.value.trim(), location.href) : 'the remote';
  }

  /** Turns it on, if the address is valid, or off; then calls `onSwitch`. */
  turn(on) {
    const wrong = on && this.#url() === undefined;
    this.set(on && !wrong);
    this.address.setAttribute('aria-invalid', wrong);
    this.problem.textContent = wrong
      ? 'Enter the address of a remote model first; it must begin with https://, http:// or /.'
      : '';
    if (wrong) {
      this.details.open = true;
      this.address.focus();
    } else {
      this.onSwitch();
    }
  }

  /** Sets the switch without calling `onSwitch`. */
  set(on) {
    this.on.checked = this.address.readOnly = this.model.readOnly = on;
    this.#describe();
  }

  /** Whether the address is still the one that was offered as this machine's. */
  #isOnThisMachine() {
    return this.onThisMachine !== undefined && this.address.value === this.onThisMachine;
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

  /** What could be turned on without an address of one's own. */
  #offered() {
    if (this.#isOnThisMachine()) return ` ${this.host} can be asked: a general model, small for one, without a key.`;
    return this.preparing ? ` ${this.preparing}, a small general model, is being prepared on this machine.` : '';
  }

  #describe() {
    const url = this.#url();
    const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url?.hostname ?? '');
    const open = url?.protocol === 'http:' && !loopback ? ' The connection is not encrypted.' : '';
    const through = this.isOwn && !this.#isOnThisMachine() ? ' The server of this page may pass them on.' : '';
    this.words.textContent = this.on.checked
      ? `On: messages below the threshold are sent to ${this.host}, after the personal data found in them is removed.${through}${open}`
      : `Off: nothing is sent.${open}${this.#offered()}`;
  }
}
