import type { RunView } from '../api';

/** How a person comes to the page of a run. */
export type Way =
  | { readonly kind: 'link'; readonly href: string }
  /** The address holds on the server's machine only; `ssh` brings its port to the person's own. */
  | { readonly kind: 'elsewhere'; readonly url: string; readonly ssh: string }
  | { readonly kind: 'none' };

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** The way to a run from a page at this host name. */
export function wayTo(run: Pick<RunView, 'url' | 'proxy_path'> | null, hostname: string): Way {
  const url = run?.url ?? null;
  if (url === null || !/^https?:/.test(url) || !URL.canParse(url)) {
    return { kind: 'none' };
  }
  const there = new URL(url);
  if (!LOOPBACK.test(there.hostname)) {
    return { kind: 'link', href: url };
  }
  if (run?.proxy_path?.startsWith('/') && !run.proxy_path.startsWith('//')) {
    return { kind: 'link', href: run.proxy_path };
  }
  if (LOOPBACK.test(hostname)) {
    return { kind: 'link', href: url };
  }
  const port = there.port || (there.protocol === 'https:' ? '443' : '80');
  // The port is the same on both sides: the address, and a cookie that is named after it, hold on both.
  return { kind: 'elsewhere', url, ssh: `ssh -N -L ${port}:127.0.0.1:${port} ${hostname}` };
}
