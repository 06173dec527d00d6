import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';

/** What a person can set: one page for all of it, that of the panel. */
const SETTINGS = 'mlk-jupyter:panel';

/** Calls `apply` with the settings, now and whenever they change, until the returned disposable is disposed. */
export function followSettings(
  registry: ISettingRegistry,
  apply: (settings: ISettingRegistry.ISettings) => void
): IDisposable {
  let settings: ISettingRegistry.ISettings | null = null;
  const ending = new DisposableDelegate(() => settings?.changed.disconnect(apply));
  registry
    .load(SETTINGS)
    .then(loaded => {
      if (!ending.isDisposed) {
        settings = loaded;
        apply(settings);
        settings.changed.connect(apply);
      }
    })
    .catch((error: unknown) => console.error('The settings of the jobs cannot be read', error));
  return ending;
}
