/** Other texts meet in every process: nobody can choose texts that do. */
const processSeed = Math.floor(Math.random() * 2 ** 32);

/** 32 bits. FNV-1a; its last steps spread what differs in the last character. */
export function textHash(text: string, seed: number = processSeed): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
