// The pieces of a reply that may be begun again.
import type { GeneratedPiece } from '../protocol/generation.js';

/**
 * Passes on the pieces of a reply. Where its device is lost, the reply is begun again on another one, which generates
 * the same once more: what was passed on already is left out.
 */
export class Pieces {
  readonly #listener: ((piece: GeneratedPiece) => void) | undefined;
  /** What was passed on. */
  #given = { text: '', tokens: 0 };
  /** What came since the reply was begun again; `undefined` for one that was begun once. */
  #replay: { text: string; tokens: number; differs: boolean } | undefined;
  #begun = false;

  constructor(listener: ((piece: GeneratedPiece) => void) | undefined) {
    this.#listener = listener;
  }

  /** A listener for a reply that begins; `onDifference` is called once where another text comes than before. */
  begin(onDifference: () => void): (piece: GeneratedPiece) => void {
    if (this.#begun) this.#replay = { text: '', tokens: 0, differs: false };
    this.#begun = true;
    return (piece) => {
      const fresh = this.#fresh(piece);
      if (fresh !== undefined) this.#listener?.(fresh);
      else if (this.#replay?.differs) onDifference();
    };
  }

  /** Whether another text came than before. */
  get differ(): boolean {
    return this.#replay?.differs === true;
  }

  /** Whether all that was passed on is the beginning of the reply that came last, which has ended. */
  get fit(): boolean {
    const [given, replay] = [this.#given, this.#replay];
    if (replay === undefined) return true;
    return !replay.differs && replay.text.length >= given.text.length && replay.tokens >= given.tokens;
  }

  /** What of `piece` was not passed on before; `undefined` where that is nothing. */
  #fresh(piece: GeneratedPiece): GeneratedPiece | undefined {
    const [given, replay] = [this.#given, this.#replay];
    if (replay === undefined) {
      this.#given = { text: given.text + piece.text, tokens: given.tokens + piece.tokens.length };
      return piece;
    }
    replay.text += piece.text;
    replay.tokens += piece.tokens.length;
    const length = Math.min(given.text.length, replay.text.length);
    replay.differs ||= given.text.slice(0, length) !== replay.text.slice(0, length);
    if (replay.differs) return undefined;
    const text = replay.text.slice(given.text.length);
    const count = Math.max(0, replay.tokens - given.tokens);
    const tokens = count > 0 ? piece.tokens.slice(-count) : [];
    if (text === '' && tokens.length === 0) return undefined;
    this.#given = { text: given.text + text, tokens: given.tokens + tokens.length };
    return { ...piece, text, tokens };
  }
}
