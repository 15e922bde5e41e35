import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second for everybody. */
const TICK_MICROS = 10_000;

export interface ProcessUsage {
  readonly cpuMicros: number;
  /** The highest resident size since the process began, or since `forgetPeak`. */
  readonly peakRssMiB: number;
}

/** What a process and everything else in its process group have used. */
export function processGroupUsage(leaderPid: number): ProcessUsage {
  let cpuMicros = 0;
  let peakRssMiB = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // The command may hold blanks and brackets: fields count from its end.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[2]) !== leaderPid) continue;
      cpuMicros += (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
      const status = readFileSync(`/proc/${name}/status`, 'utf8');
      peakRssMiB += Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
    } catch {
      // Ended between the listing and the look.
    }
  }
  return { cpuMicros, peakRssMiB };
}

/** From now on the peak is that of what follows; of one process alone. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
