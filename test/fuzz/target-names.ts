/** The files of test/fuzz/targets, in the order in which `all` runs them. */
export const targetNames = [
  'body',
  'path',
  'hlc',
  'pgoutput',
  'address',
] as const;
