#!/bin/bash
# A few transactions a second until the playground is stopped.
set -u
while true; do
  psql --quiet --file=/docker/slot-traffic.sql >/dev/null || true
  sleep 0.2
done
