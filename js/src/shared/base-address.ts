// The address that relative addresses are relative to.

/** The page's address, where there is a page. */
export function baseAddress(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}
