import type { RunView } from '../api';

/** How a person comes to the page of a run. */
export type Way =
  /** `ssh`, where there is one, brings the port along for a page that came through an SSH tunnel itself. */
  | { readonly kind: 'link'; readonly href: string; readonly ssh?: string }
  /** The address holds on the server's machine only; `ssh` brings its port to the person's own. */
  | { readonly kind: 'elsewhere'; readonly url: string; readonly ssh: string }
  | { readonly kind: 'none' };

/** A path on this page's own server; browsers take a backslash for a slash and leave out tabs and ends of lines. */
const OWN_PATH = /^\/(?!\/)[^\\\s]*$/;
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
  if (run?.proxy_path && OWN_PATH.test(run.proxy_path)) {
    return { kind: 'link', href: run.proxy_path };
  }
  const port = there.port || (there.protocol === 'https:' ? '443' : '80');
  // The port is the same on both sides: the address, and a cookie that is named after it, hold on both.
  const ssh = `ssh -N -L ${port}:127.0.0.1:${port}`;
  return LOOPBACK.test(hostname)
    ? { kind: 'link', href: url, ssh }
    : { kind: 'elsewhere', url, ssh: `${ssh} ${hostname}` };
}
