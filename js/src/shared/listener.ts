// Calls of listeners that belong to the page.

/** Calls `listener`. One that throws is the page's error to see, and must not stop a load or lose an answer. */
export function callListener(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    reportError(error);
  }
}
