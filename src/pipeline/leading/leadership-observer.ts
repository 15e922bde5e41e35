import type { SchemaName } from '../../mutation/schema-name.ts';
import type { Audit } from '../../telemetry/audit.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Target } from '../../target/target.ts';
import type { Logger } from '../../telemetry/logger.ts';
import {
  type Election,
  Leadership,
  type LeadershipObserver,
  type TakeoverCause,
} from './leadership.ts';
import { givenBack } from './term.ts';
import type { PipelineStatus } from '../watching/status.ts';

const causeTexts: Readonly<Record<TakeoverCause, string>> = {
  free: 'nobody led it',
  own: 'it was left from this daemon',
  dead: 'the process that led it has ended',
  silent: 'the daemon that led it was silent',
  offered: 'the daemon that led it cannot reach the target',
};

interface LeadershipParts {
  readonly schema: SchemaName;
  readonly status: PipelineStatus;
  readonly logger: Logger;
  readonly onCannotLook: () => void;
}

/** Null where this daemon has staging to itself. */
export function openLeadership(
  house: {
    readonly election?: Election;
    readonly target: Target;
    readonly metrics: Metrics;
    readonly audit: Audit;
  },
  { schema, status, logger, onCannotLook }: LeadershipParts,
): Leadership | null {
  const { election, target, metrics, audit } = house;
  if (election === undefined) {
    return null;
  }
  const observer = leadershipObserver(schema, status, {
    metrics,
    logger,
    audit,
  });
  return new Leadership({
    ...election,
    schema,
    pingTarget: (signal) => target.ping(signal),
    observer: {
      ...observer,
      cannotLook: (error) => {
        observer.cannotLook(error);
        onCannotLook();
      },
    },
  });
}

/** Turns changes of leadership into log lines, metrics and status. */
function leadershipObserver(
  schema: SchemaName,
  status: PipelineStatus,
  {
    metrics,
    logger,
    audit,
  }: {
    readonly metrics: Metrics;
    readonly logger: Logger;
    readonly audit: Audit;
  },
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
          { code: error.code, err: error.cause },
          `staging does not say who leads: ${error.line}`,
        );
      }
      status.failed(error, 'standby');
    },
    takes: (cause, from) =>
      audit.begin('lease take-over', { schema, cause, from }),
    leads(epoch, cause, from) {
      toldLeader = '';
      metrics.replicator_leader.set(labels, 1);
      metrics.replicator_leader_takeovers_total.inc({ ...labels, cause });
      logger.info(
        { event: 'leadership', epoch, cause, from },
        `this daemon applies the changes of this schema from now on: ${causeTexts[cause]}`,
      );
    },
    raised(epoch) {
      logger.info(
        { event: 'leadership', epoch },
        'the target takes writes under this epoch only',
      );
    },
    leadsNoMore(reason) {
      metrics.replicator_leader.set(labels, 0);
      const isEnd = reason === givenBack;
      logger[isEnd ? 'info' : 'warn'](
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
