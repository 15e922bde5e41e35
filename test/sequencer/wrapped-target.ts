import type { Target, TargetTransaction } from '../../src/target/target.ts';

/** The target, whose transactions begin in another way. */
export function wrapBegin(
  target: Target,
  begin: (signal?: AbortSignal) => Promise<TargetTransaction>,
): Target {
  return wrapMember(target, 'begin', begin);
}

/** The same object but for one function. */
export function wrapMember<T extends object, N extends keyof T>(
  object: T,
  name: N,
  member: T[N],
): T {
  return new Proxy(object, {
    get(inner, asked) {
      if (asked === name) {
        return member;
      }
      const other: unknown = Reflect.get(inner, asked);
      return typeof other === 'function' ? other.bind(inner) : other;
    },
  });
}
