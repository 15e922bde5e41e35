import type { OpenLogger } from '../../telemetry/logger.ts';
import type { CertificateWatch } from './certificate-watch.ts';

/** On SIGHUP: the log file is opened anew, certificates are read again. */
export function reloadOnHangup(
  log: OpenLogger,
  certificates: CertificateWatch | null,
): Disposable {
  const reload = (): void => {
    log.reopen();
    void certificates?.reload();
  };
  process.on('SIGHUP', reload);
  return { [Symbol.dispose]: () => process.off('SIGHUP', reload) };
}
