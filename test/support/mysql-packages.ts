/**
 * Debian's packages unpacked into a folder, without root and without touching
 * the machine's own apt: a private configuration, lists and package state.
 * apt checks signatures and hashes as always.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PUBLIC_MIRROR = 'http://deb.debian.org/debian';

const KEYRINGS = ['gpg', 'pgp'].map(
  (extension) => `/usr/share/keyrings/debian-archive-keyring.${extension}`,
);

/** Dependencies that serve scripts we never run: a sixth of the bytes. */
const UNNEEDED = /^(perl|libperl|libgdbm|libdb5)/;

export interface PackageRequest {
  /** Of Debian: `bookworm`, `sid`. */
  readonly suite: string;
  /** The newest version in the suite is taken. */
  readonly packageName: string;
}

interface PackageFile {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
}

/**
 * Unpacks the package and all it depends on, the C library and its loader
 * included, into `folder`, and tells the package's version: digits and dots,
 * without Debian's additions.
 */
export async function unpackDebianPackage(
  request: PackageRequest,
  folder: string,
): Promise<string> {
  const errors = new Set<string>();
  const workFolder = join(folder, '.apt');
  const places = await mirrors();
  // Twice: a mirror may change while we read it.
  for (const mirror of [...places, ...places]) {
    try {
      const apt = await privateApt(request, mirror, workFolder);
      return await unpackFrom(apt, request, folder);
    } catch (error) {
      const { stderr } = error as { stderr?: string };
      errors.add(`${mirror}: ${(stderr ?? String(error)).trim()}`);
    } finally {
      await rm(workFolder, { recursive: true, force: true });
    }
  }
  throw new Error(
    `Debian's suite ${request.suite} gives no ${request.packageName} here\n${[...errors].join('\n')}`,
  );
}

type Apt = (
  command: string,
  ...parameters: readonly string[]
) => Promise<string>;

async function unpackFrom(
  apt: Apt,
  { suite, packageName }: PackageRequest,
  folder: string,
): Promise<string> {
  await apt('update');
  const files = await packagesToInstall(apt, packageName);
  const own = files.find(({ name }) => name === packageName);
  const version = /_(?:\d+%3a)?(\d+(?:\.\d+)+)/.exec(own?.file ?? '')?.[1];
  if (version === undefined) throw new Error(`No ${packageName} in ${suite}`);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  process.stderr.write(
    `Fetching ${packageName} ${version} from Debian ${suite}, ${Math.ceil(bytes / 1e6)} MB, once\n`,
  );
  await apt('download', ...files.map(({ name }) => name));
  const downloads = join(folder, '.apt', 'downloads');
  for (const file of await readdir(downloads)) {
    if (!file.endsWith('.deb')) continue;
    await run('dpkg-deb', ['--extract', join(downloads, file), folder]);
  }
  for (const unused of ['bin', 'share/doc', 'share/man', 'share/locale']) {
    await rm(join(folder, 'usr', unused), { recursive: true, force: true });
  }
  return version;
}

/** Resolved by apt as for a machine where nothing is installed. */
async function packagesToInstall(
  apt: Apt,
  packageName: string,
): Promise<PackageFile[]> {
  const listing = await apt(
    'install',
    '--no-install-recommends',
    '--print-uris',
    '--yes',
    '--quiet=2',
    packageName,
  );
  // 'http://…' libc6_2.43-7_amd64.deb 1866392 SHA256:…
  return [...listing.matchAll(/^'[^']*' (([^_ ]+)_\S+\.deb) (\d+)/gm)]
    .map(([, file, name, bytes]) => ({
      name: name as string,
      file: file as string,
      bytes: Number(bytes),
    }))
    .filter(({ name }) => !UNNEEDED.test(name));
}

/** apt-get for one suite of one mirror, with all its state in `workFolder`. */
async function privateApt(
  { suite }: PackageRequest,
  mirror: string,
  workFolder: string,
): Promise<Apt> {
  for (const name of ['lists/partial', 'cache/archives/partial', 'downloads']) {
    await mkdir(join(workFolder, name), { recursive: true });
  }
  const architecture = await run('dpkg', ['--print-architecture']);
  const keyring = KEYRINGS.find((file) => existsSync(file));
  const options = [
    `arch=${architecture.stdout.trim()}`,
    ...(keyring === undefined ? [] : [`signed-by=${keyring}`]),
  ];
  await writeFile(
    join(workFolder, 'sources.list'),
    `deb [${options.join(' ')}] ${mirror} ${suite} main\n`,
  );
  await writeFile(join(workFolder, 'status'), '');
  const settings = {
    'Dir::Etc::Main': '/dev/null',
    'Dir::Etc::Parts': '/dev/null',
    'Dir::Etc::SourceList': join(workFolder, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Dir::State': workFolder,
    'Dir::State::Lists': join(workFolder, 'lists'),
    'Dir::State::Status': join(workFolder, 'status'),
    'Dir::Cache': join(workFolder, 'cache'),
    'Dir::Log': workFolder,
    'Debug::NoLocking': 'true',
    // The folder is ours alone; apt's own user could not write in it.
    'APT::Sandbox::User': 'root',
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
  };
  const configuration = join(workFolder, 'apt.conf');
  await writeFile(
    configuration,
    [
      ...(await inheritedSettings()),
      ...Object.entries(settings).map(([name, value]) => `${name} "${value}";`),
    ].join('\n'),
    // A proxy's password may be in it.
    { mode: 0o600 },
  );
  return async (command, ...parameters) => {
    const { stdout } = await run('apt-get', [command, ...parameters], {
      cwd: join(workFolder, 'downloads'),
      env: { ...process.env, APT_CONFIG: configuration, LC_ALL: 'C' },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  };
}

/** How this machine fetches: proxies, timeouts, TLS; but none of its hooks. */
async function inheritedSettings(): Promise<string[]> {
  const { stdout } = await run('apt-config', ['dump']);
  return stdout
    .split('\n')
    .filter((line) => /^Acquire::(?!Languages|IndexTargets)/.test(line));
}

/** The mirrors that a Debian machine itself uses, then the public one. */
async function mirrors(): Promise<string[]> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?([a-z]+)/m.exec(release)?.[1] ?? 'sid';
  const own: string[] = [];
  if (/^ID="?debian/m.test(release)) {
    // Unlike `indextargets` it also works where no list was ever fetched.
    const { stdout } = await run('apt-get', [
      '--option=Debug::NoLocking=true',
      'update',
      '--print-uris',
    ]);
    for (const [, uri, suite] of stdout.matchAll(
      /^'(\S+?)\/*\/dists\/(\S+)\/InRelease'/gm,
    )) {
      if (suite === codename || suite === 'stable') own.push(uri as string);
    }
  }
  return [...new Set([...own, PUBLIC_MIRROR])];
}
