/**
 * The bill of materials of what runs: `npm run sbom`.
 *
 * npm writes one of all packages. Asked to leave out those for development it
 * also leaves out some that are for both (npm 11 forgets pg), so that
 * what stays is chosen here, by the lock file, and nothing may be missing.
 */

export interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export interface LockedPackage {
  readonly name?: string;
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
}

export interface Sbom {
  readonly bomFormat: string;
  readonly components: readonly SbomComponent[];
  readonly dependencies: readonly {
    readonly ref: string;
    readonly dependsOn: readonly string[];
  }[];
  readonly metadata: { readonly component: { readonly 'bom-ref': string } };
}

export interface SbomComponent {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
}

/** `name@version` of what `npm ci --omit=dev --omit=optional` installs. */
export function productionPackages({ packages }: LockFile): Set<string> {
  return new Set(
    Object.entries(packages)
      .filter(
        ([path, { dev, optional, devOptional }]) =>
          path !== '' && !dev && !optional && !devOptional,
      )
      .map(
        ([path, { name, version }]) =>
          `${name ?? path.split('node_modules/').at(-1)}@${version}`,
      ),
  );
}

/** Throws where a package that runs is not listed. */
export function productionSbom(whole: Sbom, lock: LockFile): Sbom {
  const wanted = productionPackages(lock);
  const components = whole.components.filter(({ name, version }) =>
    wanted.has(`${name}@${version}`),
  );
  const listed = new Set(
    components.map(({ name, version }) => `${name}@${version}`),
  );
  const missing = [...wanted].filter((each) => !listed.has(each));
  if (missing.length > 0) {
    throw new Error(`npm sbom does not list ${missing.join(', ')}`);
  }
  const kept = new Set([
    whole.metadata.component['bom-ref'],
    ...components.map((component) => component['bom-ref']),
  ]);
  return {
    ...whole,
    components,
    dependencies: whole.dependencies
      .filter(({ ref }) => kept.has(ref))
      .map(({ ref, dependsOn }) => ({
        ref,
        dependsOn: dependsOn.filter((each) => kept.has(each)),
      })),
  };
}
