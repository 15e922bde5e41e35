import { describe, expect, test } from 'vitest';
import { bytesInCodePage } from '../../../../src/target/sqlserver/values/code-page.ts';

describe('a code page', () => {
  test.each([
    [1252, 'Grüße €', 7],
    [1252, 'Łódź', null],
    [1252, 'Ā', null],
    [1252, '表', null],
    [1252, '😀', null],
    [1250, 'Łódź', 4],
    [1251, 'Привет', 6],
    [1251, 'ä', null],
    [874, 'ไทย', 3],
    [437, 'é═ß', 3],
    [437, 'Ø', null],
    [850, 'Øß', 2],
    [932, '表a', 3],
    [932, '表ｱﾝ', 4],
    [936, 'ｱ', null],
    [936, '中文', 4],
    [949, '한글', 4],
    [950, '中文', 4],
    [65_001, 'ä表😀', 9],
    [0, 'ascii', 5],
    [0, 'ä', null],
    [1252, '', 0],
    [1252, '\0\n\x7f', 3],
    [1252, '\x81', null],
  ])('%i holds %s in %s bytes', (codePage, text, byteCount) => {
    expect(bytesInCodePage(codePage, text)).toBe(byteCount);
  });
});
