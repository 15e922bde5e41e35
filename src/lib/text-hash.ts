/** Other texts meet in every process: nobody can choose texts that do. */
const processSeed = Math.floor(Math.random() * 2 ** 32);

/** 32 bits. FNV-1a; its last steps spread what differs in the last character. */
export function textHash(text: string): number {
  let hash = processSeed;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return spread(hash);
}

/** That of the text whose UTF-16 units are these. */
export function unitsHash(
  units: Uint8Array | Uint16Array,
  start: number,
  end: number,
): number {
  let hash = processSeed;
  for (let at = start; at < end; at += 1) {
    hash = Math.imul(hash ^ units[at]!, 0x01000193);
  }
  return spread(hash);
}

/** Of one text in different places, such as tables. */
export function placedHash(hash: number, place: number): number {
  return Math.imul(hash ^ place, 0x9e3779b1);
}

function spread(hash: number): number {
  const spread = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return spread ^ (spread >>> 13);
}
