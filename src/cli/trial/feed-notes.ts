/**
 * What to look at before CREATE CHANGEFEED, as SQL comments. No name of the
 * user's stands in them: a line end in one would end the comment.
 */
export function feedNotes(facts: {
  readonly hasKey: boolean;
  readonly hasToken: boolean;
  readonly hasCursor: boolean;
}): string {
  const secrets = [
    ...(facts.hasKey ? ['the private key of the client certificate'] : []),
    ...(facts.hasToken ? ['a token'] : []),
  ];
  const lines = [
    'For the SQL shell of the CockroachDB cluster: cockroach sql --file <this file>',
    ...(secrets.length === 0
      ? [
          'NOBODY IS AUTHENTICATED by it: it carries neither certificate nor token.',
        ]
      : [
          `IT HOLDS ${secrets.join(' AND ')}: whoever reads it can send changes.`,
          'Delete it afterwards, and do not paste it into a shell that keeps a history.',
        ]),
    '',
    'Look at these first:',
    '1. Rangefeeds are on, else the changefeed does not start:',
    '     SHOW CLUSTER SETTING kv.rangefeed.enabled;',
    '     SET CLUSTER SETTING kv.rangefeed.enabled = true;',
    '2. Old versions are kept for longer than the daemon, the target or the network may ever be',
    '   down: when a changefeed has been behind for longer, it ends, and the tables must be loaded anew.',
    '     SHOW ZONE CONFIGURATION FROM DATABASE <database>;',
    '     ALTER DATABASE <database> CONFIGURE ZONE USING gc.ttlseconds = 172800;',
    '3. No other changefeed sends to this target schema: each needs one of its own (E1029, E1030).',
    '     SELECT job_id, status, description FROM [SHOW CHANGEFEED JOBS];',
    '4. You may: GRANT CHANGEFEED ON TABLE <table> TO <user>; for each table.',
    '5. Every table has the same primary key at the target: replicator preflight --sourceConn … compares.',
    ...(facts.hasCursor
      ? [
          '6. The target holds the rows as of the cursor below, and it is not older than gc.ttlseconds.',
        ]
      : [
          '6. Without a cursor every row is sent once first. If the target holds them already, give the',
          '   time of its copy: --cursor, from SELECT cluster_logical_timestamp(); at the source.',
        ]),
    '',
    'Afterwards: SHOW CHANGEFEED JOBS; shows what the daemon answers when it refuses something.',
  ];
  return lines.map((line) => `-- ${line}`.trimEnd()).join('\n');
}
