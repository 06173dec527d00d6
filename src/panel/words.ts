import type { TranslationBundle } from '@jupyterlab/translation';

import type { Link } from '../api';

export function linkText(link: Link, trans: TranslationBundle): string {
  switch (link) {
    case 'connecting':
      return trans.__('Connecting');
    case 'live':
      return trans.__('Live');
    case 'reconnecting':
      return trans.__('Reconnecting');
    case 'server-gone':
      return trans.__('Server gone');
    case 'not-allowed':
      return trans.__('Not allowed');
    case 'missing':
      return trans.__('Server part missing');
  }
}

/** What the state of the link means, for the tooltip. */
export function linkHint(link: Link, trans: TranslationBundle): string {
  switch (link) {
    case 'connecting':
      return trans.__('The connection is being made.');
    case 'live':
      return trans.__('What you see is up to date.');
    case 'reconnecting':
      return trans.__('The connection broke and is being made again. Jobs go on running.');
    case 'server-gone':
      return trans.__(
        'The Jupyter server does not answer. Jobs go on running; what you see comes back with the server.'
      );
    case 'not-allowed':
      return trans.__(
        'The server refuses you, and is not asked again by itself. Reload the page to log in again.'
      );
    case 'missing':
      return trans.__('The Jupyter server runs without mlk-jupyter. Install it there and restart.');
  }
}
