/** What preflight finds of the server itself. */
import type { Finding } from '../../../failure/finding.ts';
import type { ServerFacts, TextRow } from '../session/driver.ts';

export interface ServerPlan {
  readonly display: string;
  readonly parallelism: number;
  readonly maxPoolSize: number;
}

/** Below that a row of some megabytes cannot cross where files may not. */
const goodPacketBytes = 64 * 1024 * 1024;

export function serverFindings(
  facts: ServerFacts,
  server: TextRow,
  plan: ServerPlan,
): Finding[] {
  return [
    {
      level: 'ok',
      subject: 'target',
      text: `${facts.isMariadb ? 'MariaDB' : 'MySQL'} ${facts.version} answers at ${plan.display}`,
    },
    ...versionFindings(facts),
    ...stateFindings(server),
    ...connectionFindings(server, plan),
    ...transferFindings(facts),
  ];
}

function versionFindings({ version, isMariadb }: ServerFacts): Finding[] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = isMariadb
    ? major < 10 || (major === 10 && minor < 6)
    : major < 8;
  return isOld
    ? [
        {
          level: 'error',
          subject: 'target',
          text: `${isMariadb ? 'MariaDB before 10.6' : 'MySQL before 8.0'} has no JSON_TABLE, by which rows cross`,
          remedy: 'use a newer server',
        },
      ]
    : [];
}

function stateFindings(server: TextRow): Finding[] {
  const findings: Finding[] = [];
  if (isOn(server['read_only']) || isOn(server['super_read_only'])) {
    findings.push({
      level: 'error',
      subject: 'target',
      text: 'the server is read-only',
      remedy:
        'give the address of the primary in --targetConn, or set global read_only = off',
    });
  }
  if (isOn(server['log_bin']) && server['binlog_format'] === 'STATEMENT') {
    findings.push({
      level: 'error',
      subject: 'target',
      text: 'the server logs statements and not rows, and InnoDB then refuses to write at READ COMMITTED',
      remedy: 'set global binlog_format = ROW',
    });
  }
  return findings;
}

function connectionFindings(server: TextRow, plan: ServerPlan): Finding[] {
  const ofUser = Number(server['user_connections'] ?? 0);
  const most = Math.min(
    Number(server['connections']),
    ofUser === 0 ? Infinity : ofUser,
  );
  if (plan.parallelism > most) {
    return [
      {
        level: 'error',
        subject: 'target',
        text: `the account may open ${most} connections, and --parallelism ${plan.parallelism} needs more`,
        remedy: 'lower --parallelism, or raise max_connections at the target',
      },
    ];
  }
  return plan.maxPoolSize > most
    ? [
        {
          level: 'warn',
          subject: 'target',
          text: `--targetMaxPoolSize ${plan.maxPoolSize} is more than the ${most} connections that the account may open`,
          remedy: `lower it to ${most}`,
        },
      ]
    : [];
}

function transferFindings({
  hasLocalInfile,
  maxPacketBytes,
}: ServerFacts): Finding[] {
  if (hasLocalInfile) {
    return [];
  }
  return [
    {
      level: 'warn',
      subject: 'target',
      text: 'local_infile is off, so that rows cross as JSON, at about half the speed',
      remedy:
        "SET GLOBAL local_infile = ON (and in the server's configuration)",
    },
    ...(maxPacketBytes < goodPacketBytes
      ? [
          {
            level: 'warn' as const,
            subject: 'target' as const,
            text: `max_allowed_packet is ${maxPacketBytes} bytes: a larger row is refused while local_infile is off`,
            remedy: 'set global max_allowed_packet = 67108864',
          },
        ]
      : []),
  ];
}

function isOn(value: string | null | undefined): boolean {
  return value === '1' || /^on$/i.test(value ?? '');
}
