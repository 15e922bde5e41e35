/**
 * On SIGHUP: files that are written are opened anew, certificates and the keys
 * of tokens are read again.
 */
export function reloadOnHangup(
  files: readonly { reopen(): void }[],
  sources: readonly ({ reload(): Promise<unknown> } | null)[],
): Disposable {
  const reload = (): void => {
    for (const file of files) {
      file.reopen();
    }
    for (const source of sources) {
      void source?.reload();
    }
  };
  process.on('SIGHUP', reload);
  return { [Symbol.dispose]: () => process.off('SIGHUP', reload) };
}
