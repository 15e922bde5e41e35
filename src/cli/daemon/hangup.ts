import type { CertificateWatch } from './certificate-watch.ts';

/** On SIGHUP: files that are written are opened anew, certificates are read again. */
export function reloadOnHangup(
  files: readonly { reopen(): void }[],
  certificates: CertificateWatch | null,
): Disposable {
  const reload = (): void => {
    for (const file of files) {
      file.reopen();
    }
    void certificates?.reload();
  };
  process.on('SIGHUP', reload);
  return { [Symbol.dispose]: () => process.off('SIGHUP', reload) };
}
