#!/bin/bash
# Creates the tables and, where there is none yet, the changefeed.
set -euo pipefail
run() { cockroach sql --insecure --host=cockroach "$@"; }
run --file=/docker/source.sql
feeds=$(run --format=csv --execute="select count(*) from [show changefeed jobs]" | tail -n 1)
if [ "$feeds" = 0 ]; then
  run --file=/certificates/changefeed.sql
fi
