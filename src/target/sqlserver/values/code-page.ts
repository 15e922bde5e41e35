/**
 * What char, varchar and text columns can hold: a character that the code page
 * of their collation has not would become `?`, or one that looks like it, and
 * nobody would be told.
 */

/** 65001: collations that end in _UTF8. */
const utf8 = 65_001;

/** Labels of the WHATWG's encodings, which are these code pages. */
const singleByteLabels: Readonly<Record<number, string>> = {
  874: 'windows-874',
  1250: 'windows-1250',
  1251: 'windows-1251',
  1252: 'windows-1252',
  1253: 'windows-1253',
  1254: 'windows-1254',
  1255: 'windows-1255',
  1256: 'windows-1256',
  1257: 'windows-1257',
  1258: 'windows-1258',
};

const doubleByteLabels: Readonly<Record<number, string>> = {
  932: 'shift_jis',
  936: 'gbk',
  949: 'euc-kr',
  950: 'big5',
};

/** From 0x80 on, for those that are not among the WHATWG's. */
const upperHalves: Readonly<Record<number, string>> = {
  437: 'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0',
  850: 'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00AD±‗¾¶§÷¸°¨·¹³²■\u00A0',
};

const ascii = /^[\0-\x7f]*$/;
const known = new Map<number, ReadonlySet<string>>();

/** How many bytes the text takes; null where a character is not in the code page. */
export function bytesInCodePage(codePage: number, text: string): number | null {
  if (ascii.test(text)) {
    return text.length;
  }
  if (codePage === utf8) {
    return Buffer.byteLength(text);
  }
  const characters = charactersOf(codePage);
  const isDouble = codePage in doubleByteLabels;
  let byteCount = 0;
  for (const character of text) {
    if (character <= '\x7f') {
      byteCount += 1;
    } else if (characters.has(character)) {
      byteCount += isDouble && !isHalfWidthKana(character) ? 2 : 1;
    } else {
      return null;
    }
  }
  return byteCount;
}

/** One byte in 932; in no other double-byte code page. */
function isHalfWidthKana(character: string): boolean {
  return character >= '\uFF61' && character <= '\uFF9F';
}

/** Beyond ASCII. Of a code page that is not known: none. */
function charactersOf(codePage: number): ReadonlySet<string> {
  let characters = known.get(codePage);
  if (!characters) {
    characters = new Set(decodeAll(codePage));
    known.set(codePage, characters);
  }
  return characters;
}

function decodeAll(codePage: number): string[] {
  const single = singleByteLabels[codePage];
  const double = doubleByteLabels[codePage];
  if (single !== undefined) {
    const decoder = new TextDecoder(single);
    return Array.from({ length: 128 }, (_, index) =>
      decoder.decode(Uint8Array.of(128 + index)),
    ).filter(isCharacter);
  }
  if (double !== undefined) {
    const decoder = new TextDecoder(double);
    const found: string[] = [];
    for (let byte = 0xa1; codePage === 932 && byte <= 0xdf; byte++) {
      found.push(decoder.decode(Uint8Array.of(byte)));
    }
    for (let lead = 0x81; lead <= 0xfe; lead++) {
      for (let trail = 0x40; trail <= 0xfe; trail++) {
        found.push(decoder.decode(Uint8Array.of(lead, trail)));
      }
    }
    return found.filter(isCharacter);
  }
  return Array.from(upperHalves[codePage] ?? '');
}

/** One character beyond ASCII and the second control range. */
function isCharacter(text: string): boolean {
  return text.length === 1 && text !== '\uFFFD' && !/^[\0-\x9f]$/.test(text);
}
