/** The generated pages of docs/: options, metrics and errors (`npm run docs`). */
import { environmentName } from '../config/environment.ts';
import {
  type OptionEntry,
  optionGroups,
  type OptionTable,
} from '../config/option-entry.ts';
import { printOptionValue } from '../config/option-value.ts';
import { pglogicalOptions, startOptions } from '../config/options.ts';
import { peerCommands, peerOptions } from '../config/peer-options.ts';
import { errorCodes } from '../failure/codes.ts';
import { type MetricEntry, metricTable } from '../telemetry/metric-table.ts';
import { commands } from './commands.ts';
import { aboutText, optionSignature } from './help.ts';

const generated =
  '<!-- Written by `npm run docs` from the tables in src; edit those. -->';

/** Text by path under the project. */
export async function docsPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/options.md', await optionsPage()],
    ['docs/metrics.md', metricsPage()],
    ['docs/errors.md', errorsPage()],
  ]);
}

async function optionsPage(): Promise<string> {
  const lines = [
    generated,
    '',
    '# Options',
    '',
    'An option is a flag (`--flushSize 500`, `--flushSize=500`), an environment variable',
    `(\`${environmentName('flushSize')}=500\`) or a line of the YAML file in \`--config\` (\`flushSize: 500\`).`,
    'A flag wins over the variable, the variable over the file, the file over the default.',
    '',
    '- **Environment names**: `REPLICATOR_`, then the name in capitals with an underscore before each word:',
    `  \`tlsClientCA\` is \`${environmentName('tlsClientCA')}\`. An empty variable counts as not set.`,
    '- **Switches** are `--flag`, `--flag=false` or `--no-flag`.',
    '- **Durations** are written `1m30s`, `10s`, `250ms`. **Sizes** are written `10GiB`, `64MiB`, `100MB`, `4096`.',
    '- **Connection strings** may be `env:NAME` or `file:PATH`, which stand for what the variable or the file holds,',
    '  so that no password need stand in the process list. They are never printed.',
    '- One configuration file may serve several commands: options of another command are passed over.',
    '',
    'Names, defaults and meanings are those of MOLT Replicator where it has the option; the others are ours.',
    '',
  ];
  for (const group of optionGroups) {
    lines.push(
      ...optionRows(group, { ...pglogicalOptions, ...startOptions }, group),
    );
  }
  for (const { load } of Object.values(commands)) {
    const { name, options } = await load();
    lines.push(
      ...optionRows(`\`replicator ${name}\` alone`, options, 'Command'),
    );
  }
  lines.push(
    '## Not in this version',
    '',
    'Giving one of these ends in E5008, never in silence.',
    '',
    '| Option of the peer | Why |',
    '|---|---|',
    ...Object.entries(peerOptions).map(
      ([name, why]) => `| \`--${name}\` | ${cell(why)} |`,
    ),
    '',
    '| Command of the peer | Why |',
    '|---|---|',
    ...Object.entries(peerCommands).map(
      ([name, why]) => `| \`${name}\` | ${cell(why)} |`,
    ),
    '',
  );
  return lines.join('\n');
}

function optionRows(
  heading: string,
  table: OptionTable,
  group: string,
): string[] {
  const entries = Object.entries(table).filter(
    ([, entry]) => entry.group === group && !entry.hidden,
  );
  return entries.length === 0
    ? []
    : [
        `## ${heading}`,
        '',
        '| Option | Default | Environment | Meaning |',
        '|---|---|---|---|',
        ...entries.map(
          ([name, entry]) =>
            `| \`${optionSignature(name, entry).replaceAll('|', '\\|')}\` | ${defaultCell(entry)} | \`${environmentName(name)}\` | ${cell(aboutText(entry))} |`,
        ),
        '',
      ];
}

function defaultCell(entry: OptionEntry): string {
  return entry.default === ''
    ? 'empty'
    : `\`${printOptionValue(entry, entry.default)}\``;
}

const metricFamilies: Readonly<Record<string, string>> = {
  'Process and log': 'cdc_sink_|log_',
  Webhook: 'http_|jwt_|acceptor_|mutation_',
  'Lag of a feed':
    'source_lag|target_lag|target_applied|target_pending|source_commit',
  Checkpoint: 'checkpoint_',
  Staging: 'stage_',
  Sequencer: 'core_|retry_',
  Target: 'target_apply|apply_|stmtcache_',
  'Connection pools': 'pool_',
  'PostgreSQL slot': 'pglogical_|replicator_slot_',
  'This product alone': 'replicator_',
};

function metricsPage(): string {
  const lines = [
    generated,
    '',
    '# Metrics',
    '',
    'Served at `/_/varz` in the Prometheus text format, on `--metricsAddr` or else on `--bindAddr`. Names are those of',
    'MOLT Replicator of today; `replicator_…` are ours. The usual `process_…` and `nodejs_…` metrics of Node stand',
    'beside them.',
    '',
  ];
  const entries: [string, MetricEntry][] = Object.entries(metricTable);
  for (const [family, pattern] of Object.entries(metricFamilies)) {
    lines.push(
      `## ${family}`,
      '',
      '| Metric | Type | Labels | Meaning |',
      '|---|---|---|---|',
      ...entries
        .filter(([name]) => new RegExp(`^(${pattern})`).test(name))
        .map(
          ([name, entry]) =>
            `| \`${name}\` | ${entry.type} | ${entry.labels.map((label) => `\`${label}\``).join(', ')} | ${cell(entry.help)} |`,
        ),
      '',
    );
  }
  return lines.join('\n');
}

const errorRanges: Readonly<Record<string, string>> = {
  E1: 'The webhook',
  E2: 'Staging',
  E3: 'The sequencer',
  E4: 'The target',
  E5: 'Configuration and command line',
  E6: 'The source database',
};

function errorsPage(): string {
  const lines = [
    generated,
    '',
    '# Error codes',
    '',
    'Every failure has a code, and a code keeps its meaning. What happens next is its disposition:',
    '',
    '- **retry**: the same thing may work in a moment, and is tried again.',
    '- **defer**: others pass first, then it is tried again.',
    '- **set-aside**: this row alone can never work.',
    '- **halt**: it stops and waits for a person.',
    '',
    'HTTP is the status that a changefeed hears; its body holds the code, the meaning and the remedy, and `SHOW',
    'CHANGEFEED JOB` shows them. On the command line, E5001, E5002, E5004 and E5008 end with exit code 2, all others',
    'with 1.',
    '',
  ];
  for (const [range, heading] of Object.entries(errorRanges)) {
    lines.push(
      `## ${heading}`,
      '',
      '| Code | Meaning | Disposition | HTTP | Remedy |',
      '|---|---|---|---|---|',
      ...Object.entries(errorCodes)
        .filter(([code]) => code.startsWith(range))
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(
          ([code, entry]) =>
            `| ${code} | ${cell(entry.meaning)} | ${entry.disposition} | ${range >= 'E5' ? '' : entry.httpStatus} | ${cell(entry.remedy)} |`,
        ),
      '',
    );
  }
  return lines.join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
