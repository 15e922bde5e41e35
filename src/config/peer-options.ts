/**
 * Flags of the peer that this version does not have. Giving one is an error
 * with a sentence of its own: an option accepted in silence would promise
 * what does not happen.
 */
export const peerOptions: Readonly<Record<string, string>> = {
  userscript: 'this version runs no user scripts yet',
  enableCheckpointStream:
    'this version needs no checkpoint stream; progress is known as soon as it is made',
  disableCheckpointStream:
    'this version needs no checkpoint stream; progress is known as soon as it is made',
  ignoreBackwardsCheck:
    'this version ignores a resolved timestamp that goes backwards, counts it and warns',
  stageMode:
    'give --stagingConn for a database, or leave it out for embedded staging',
  stageMarkAppliedLimit:
    'staging is a log here: no row is ever marked as applied',
  stageSanityCheckPeriod:
    'staging is a log here: there are no marks whose order could be checked',
  stageSanityCheckWindow:
    'staging is a log here: there are no marks whose order could be checked',
  stageDisableCreateTableReaderIndex:
    'staging is a log here: there is no such index',
  targetApplyQueueSize:
    'the way to the target is bounded in bytes here: use --memoryLimit',
};

/** Commands of the peer that this version does not have, likewise. */
export const peerCommands: Readonly<Record<string, string>> = {
  mylogical: 'this version has no MySQL source',
  kafka: 'this version takes changefeeds over the webhook only',
  objstore: 'this version takes changefeeds over the webhook only',
  oraclelogminer: 'this version has no Oracle source',
  userscript: 'this version runs no user scripts yet',
  licenses: 'replicator version --deps prints the licences',
  dumphelp: 'docs/options.md holds all options',
  dumptemplates: 'this version has no SQL templates to override',
};
