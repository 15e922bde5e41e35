import type { IncomingMessage } from 'node:http';

const taken = new WeakMap<object, string>();

/**
 * Takes `access_token` out of the request's URL before anything else sees it,
 * so that no log line, error, metric or route can repeat it. Called once for
 * each request, by the HTTP server itself, in front of the framework.
 */
export function takeAccessToken(request: IncomingMessage): void {
  const url = request.url ?? '';
  const at = url.indexOf('?');
  if (at === -1) {
    return;
  }
  const kept: string[] = [];
  for (const pair of url.slice(at + 1).split('&')) {
    const equals = pair.indexOf('=');
    const name = decoded(equals === -1 ? pair : pair.slice(0, equals));
    if (name?.trim().toLowerCase() !== 'access_token') {
      kept.push(pair);
      continue;
    }
    const value = equals === -1 ? '' : (decoded(pair.slice(equals + 1)) ?? '');
    // Which of two is meant nobody knows: neither is looked at.
    taken.set(request, taken.has(request) ? '' : value);
  }
  if (!taken.has(request)) {
    return;
  }
  const rest =
    kept.length === 0
      ? url.slice(0, at)
      : `${url.slice(0, at)}?${kept.join('&')}`;
  request.url = rest;
  // HTTP/2 shows the path among the headers too.
  if (':path' in request.headers) {
    (request.headers as Record<string, unknown>)[':path'] = rest;
    const { rawHeaders } = request;
    for (let name = 0; name < rawHeaders.length; name += 2) {
      if (rawHeaders[name] === ':path') {
        rawHeaders[name + 1] = rest;
      }
    }
  }
}

/** What {@link takeAccessToken} took; empty for one that is none. */
export function accessTokenOf(request: IncomingMessage): string | null {
  return taken.get(request) ?? null;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
