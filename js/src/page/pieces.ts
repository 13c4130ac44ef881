// The pieces of a reply that may be begun again.
import type { GeneratedPiece } from '../protocol/generation.js';

/**
 * Passes on the pieces of a reply. Where its device is lost, the reply is begun again on another one, which generates the same
 * once more: what was passed on already is left out.
 */
export class Pieces {
  readonly #listener: ((piece: GeneratedPiece) => void) | undefined;
  #text = '';
  #tokens = 0;
  /** What came since the reply was begun. */
  #again = { text: '', tokens: 0 };

  constructor(listener: ((piece: GeneratedPiece) => void) | undefined) {
    this.#listener = listener;
  }

  /** A listener for a reply that begins. */
  begin(): (piece: GeneratedPiece) => void {
    this.#again = { text: '', tokens: 0 };
    return (piece) => this.#take(piece);
  }

  /** Whether another text came than before, so that what was passed on is not the beginning of this reply. */
  get differ(): boolean {
    const length = Math.min(this.#text.length, this.#again.text.length);
    return this.#text.slice(0, length) !== this.#again.text.slice(0, length);
  }

  #take(piece: GeneratedPiece): void {
    const again = this.#again;
    again.text += piece.text;
    again.tokens += piece.tokens.length;
    if (this.differ) return;
    const text = again.text.slice(this.#text.length);
    const fresh = Math.max(0, again.tokens - this.#tokens);
    const tokens = fresh > 0 ? piece.tokens.slice(-fresh) : [];
    if (text === '' && tokens.length === 0) return;
    this.#text += text;
    this.#tokens += tokens.length;
    this.#listener?.({ ...piece, text, tokens });
  }
}
