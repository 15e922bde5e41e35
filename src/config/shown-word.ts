const hidden =
  '*** (what was typed is not shown, for it may be part of an address)';

/**
 * What somebody typed where a name should stand, for the error that says so.
 * Only if it is plain: an address that a shell took apart, or that stands in
 * the wrong place, is a secret like the whole.
 */
export function shownWord(word: string): string {
  return /^[\w.-]{0,64}(?: [\w.-]{1,64})?$/.test(word)
    ? JSON.stringify(word)
    : hidden;
}

/** The same for a flag with its dashes. */
export function shownFlag(flag: string): string {
  return /^-{1,2}[\w-]{0,64}$/.test(flag) ? flag : hidden;
}
