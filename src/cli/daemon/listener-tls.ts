import type { StartValues } from '../../config/options.ts';
import { asReplicatorError } from '../../failure/failure.ts';
import { createSelfSigned } from '../../lib/certificates.ts';
import type { WebhookServer } from '../../source/changefeed/server/server.ts';
import {
  readTlsFiles,
  type TlsTexts,
} from '../../source/changefeed/server/tls-files.ts';
import type { OpenLogger } from '../../telemetry/logger.ts';

/** The listener's certificates as the options say; null serves cleartext. */
export async function listenerTls(
  values: StartValues,
): Promise<TlsTexts | null> {
  const clientCA = values.tlsClientCA === '' ? null : values.tlsClientCA;
  if (values.tlsSelfSigned) {
    const { cert, key } = await createSelfSigned();
    const { ca } = await readTlsFiles({
      certificate: null,
      privateKey: null,
      clientCA,
    });
    return { cert, key, ca };
  }
  if (values.tlsCertificate === '') {
    return null;
  }
  return await readTlsFiles({
    certificate: values.tlsCertificate,
    privateKey: values.tlsPrivateKey,
    clientCA,
  });
}

/** On SIGHUP: certificates are read again, the log file is opened anew. */
export function reloadOnHangup(
  values: StartValues,
  webhook: WebhookServer,
  log: OpenLogger,
): Disposable {
  const reload = (): void => {
    log.reopen();
    if (values.tlsCertificate === '') {
      return;
    }
    listenerTls(values).then(
      (tls) => {
        webhook.reloadTls(tls!);
        log.logger.info('certificates read again');
      },
      (error: unknown) =>
        log.logger.error(
          { err: error },
          `the certificates stay as they were: ${asReplicatorError(error).line}`,
        ),
    );
  };
  process.on('SIGHUP', reload);
  return { [Symbol.dispose]: () => process.off('SIGHUP', reload) };
}
