#!/bin/bash
# A few transactions a second until the playground is stopped.
set -u
while true; do
  cockroach sql --insecure --host=cockroach --database=shop --file=/docker/traffic.sql >/dev/null || true
  sleep 0.2
done
