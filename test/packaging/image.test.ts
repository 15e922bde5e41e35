/**
 * What the image and the playgrounds say of themselves. No container engine is
 * here to run them: these are facts of their texts, no more.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** Line breaks behind a backslash belong to the instruction; comments do not. */
function instructionsOf(dockerfile: string): Instruction[] {
  return dockerfile
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, word, rest] = /^(\w+)\s+(.*)$/s.exec(line.trim())!;
      return { word: word!.toUpperCase(), rest: rest!.trim() };
    });
}

const instructions = instructionsOf(read('Dockerfile'));
const last = instructions.findLastIndex(({ word }) => word === 'FROM');
const final = instructions.slice(last);
const ofFinal = (word: string): string[] =>
  final.filter((each) => each.word === word).map(({ rest }) => rest);

describe('the image', () => {
  test('runs as a user without rights, who owns nothing but the data', () => {
    expect(ofFinal('USER')).toEqual(['node']);
    // Nothing is copied or run behind it, and no copy is given to him.
    const user = final.findIndex(({ word }) => word === 'USER');
    expect(
      final.slice(user).filter(({ word }) => /^(RUN|COPY|ADD)$/.test(word)),
    ).toEqual([]);
    expect(ofFinal('COPY').filter((rest) => rest.includes('--ch'))).toEqual([]);
    expect(
      ofFinal('RUN')
        .join('\n')
        .match(/chown\s+\S+\s+\S+/g),
    ).toEqual(['chown node:node /data']);
    expect(read('Dockerfile')).not.toMatch(/chmod|sudo|setcap/);
  });

  test('writes to one volume, its data', () => {
    expect(ofFinal('VOLUME')).toEqual(['/data']);
    expect(ofFinal('ENV').join(' ')).toContain('REPLICATOR_DATA_DIR=/data');
  });

  test('has the packages that run and no others, and runs no install script', () => {
    const installs = instructions.filter(
      ({ word, rest }) => word === 'RUN' && /\bnpm\b/.test(rest),
    );
    expect(installs).toHaveLength(1);
    for (const flag of [
      'ci',
      '--omit=dev',
      '--omit=optional',
      '--ignore-scripts',
    ]) {
      expect(installs[0]!.rest).toContain(flag);
    }
    expect(instructions.indexOf(installs[0]!)).toBeLessThan(last);
    expect(ofFinal('COPY')).toEqual([
      '--from=packages /app/node_modules node_modules',
      'LICENSE package.json ./',
      'bin bin',
      'src src',
    ]);
  });

  test('fetches nothing by itself, keeps no secret, and starts without a shell', () => {
    const text = instructions
      .map(({ word, rest }) => `${word} ${rest}`)
      .join('\n');
    expect(text).not.toMatch(/^ADD /m);
    expect(text).not.toMatch(/\b(curl|wget|apt-get|apk|eval)\b/);
    expect(text).not.toMatch(/^ARG /m);
    expect(ofFinal('ENV').join(' ')).not.toMatch(
      /PASSWORD|SECRET|TOKEN|CONN|KEY=/,
    );
    for (const word of ['ENTRYPOINT', 'CMD']) {
      expect(ofFinal(word).every((rest) => rest.startsWith('["'))).toBe(true);
    }
    expect(ofFinal('ENTRYPOINT')).toEqual(['["/app/bin/replicator"]']);
    expect(ofFinal('HEALTHCHECK').join()).toMatch(/ CMD \["node", "-e",/);
    expect(ofFinal('STOPSIGNAL')).toEqual(['SIGTERM']);
  });

  test('is of bases with a version', () => {
    const bases = instructions
      .filter(({ word }) => word === 'FROM')
      .map(({ rest }) => rest.split(' ')[0]!);
    expect(bases.every((base) => /^[\w./-]+:\d[\w.-]*$/.test(base))).toBe(true);
  });

  test('opens the port of the feed alone: metrics stay within', () => {
    expect(ofFinal('EXPOSE')).toEqual(['26258']);
    expect(ofFinal('ENV').join(' ')).toContain(
      'REPLICATOR_METRICS_ADDR=127.0.0.1:26259',
    );
  });
});

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly privileged?: boolean;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
}

describe.each(['docker-compose.yml', 'docker-compose.slot.yml'])(
  'in %s',
  (path) => {
    const compose = parse(read(path)) as {
      services: Record<string, Service>;
      secrets: Record<string, { file: string }>;
    };
    const ours = Object.entries(compose.services).filter(
      ([, { build }]) => build !== undefined,
    );

    test.each(ours)(
      '%s has a read-only root, no capabilities but those it names, and gains none',
      (name, service) => {
        expect(service.read_only).toBe(true);
        expect(service.cap_drop).toEqual(['ALL']);
        expect(service.cap_add).toEqual(
          name === 'certificates' ? ['CHOWN'] : undefined,
        );
        expect(service.security_opt).toEqual(['no-new-privileges:true']);
        expect(service.privileged).toBeUndefined();
        expect((service.volumes ?? []).join()).not.toContain('docker.sock');
      },
    );

    test('addresses with passwords are given to the replicator in files', () => {
      const { command = [], secrets = [] } = compose.services['replicator']!;
      const addresses = command.filter((word) => /Conn=/.test(word));
      expect(addresses.length).toBeGreaterThan(0);
      for (const address of addresses) {
        const [, secret] = /=file:\/run\/secrets\/(.+)$/.exec(address)!;
        expect(secrets).toContain(secret);
        expect(existsSync(join(root, compose.secrets[secret!]!.file))).toBe(
          true,
        );
      }
      expect(command.join(' ')).not.toMatch(/:\/\/[^ ]*:[^ ]*@/);
    });

    test('only its data and what it reads is mounted to the replicator', () => {
      const { volumes = [] } = compose.services['replicator']!;
      expect(
        volumes.filter(
          (volume) => !volume.endsWith(':ro') && !volume.endsWith(':/data'),
        ),
      ).toEqual([]);
    });
  },
);
