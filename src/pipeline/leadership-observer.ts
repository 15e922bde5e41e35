import type { Logger } from 'pino';

import type { SchemaName } from '../mutation/schema-name.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { LeadershipObserver, TakeoverCause } from './leadership.ts';
import type { PipelineStatus } from './status.ts';

const causeTexts: Readonly<Record<TakeoverCause, string>> = {
  free: 'nobody led it',
  own: 'it was left from this daemon',
  silent: 'the daemon that led it was silent',
  offered: 'the daemon that led it cannot reach the target',
};

/** Turns changes of leadership into log lines, metrics and status. */
export function leadershipObserver(
  schema: SchemaName,
  status: PipelineStatus,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
): LeadershipObserver {
  const labels = { schema };
  let toldLeader = '';
  metrics.replicator_leader.set(labels, 0);
  return {
    standsBy({ holder, epoch }) {
      if (status.state !== 'standby' || status.lastError?.code !== 'E4016') {
        status.state = 'standby';
        status.lastError = null;
      }
      if (toldLeader !== `${holder} ${epoch}`) {
        toldLeader = `${holder} ${epoch}`;
        logger.info(
          { event: 'leadership', leader: holder, epoch },
          'another daemon applies the changes of this schema; this one accepts, and stands by',
        );
      }
    },
    cannotLook(error) {
      if (status.lastError?.line !== error.line) {
        logger.warn(
          { code: error.code, err: error },
          `staging does not say who leads: ${error.line}`,
        );
      }
      status.failed(error, 'standby');
    },
    leads(epoch, cause, from) {
      toldLeader = '';
      metrics.replicator_leader.set(labels, 1);
      metrics.replicator_leader_takeovers_total.inc({ ...labels, cause });
      logger.info(
        { event: 'leadership', epoch, cause, from },
        `this daemon applies the changes of this schema from now on: ${causeTexts[cause]}`,
      );
    },
    leadsNoMore(reason) {
      metrics.replicator_leader.set(labels, 0);
      logger.warn(
        { event: 'leadership', reason },
        `this daemon applies the changes of this schema no more: ${reason}`,
      );
    },
    offers(isOffered) {
      logger.warn(
        { event: 'leadership', offered: isOffered },
        isOffered
          ? 'the target cannot be reached from here: another daemon that can may take over'
          : 'the target can be reached again, and nobody has taken over',
      );
    },
  };
}
