/** What a link to JupyterLab says to have the panel in front: `…/lab/tree/NOTEBOOK?mlk-panel`. */
const PARAMETER = 'mlk-panel';

/** Whether the page was opened by such a link. Asked once: when it is loaded again, it is as the person left it. */
export function takeLink(): boolean {
  const url = new URL(window.location.href);
  if (!url.searchParams.has(PARAMETER)) {
    return false;
  }
  url.searchParams.delete(PARAMETER);
  window.history.replaceState(window.history.state, '', url);
  return true;
}
