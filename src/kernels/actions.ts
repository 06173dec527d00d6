import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';

import { told } from '../components';
import { CommandIDs } from '../tokens';
import type { IKernels } from '../tokens';
import type { IKernelActions } from './row';
import { keepTimes, nameOf } from './words';

/** What the rows of kernels do. */
export function actionsOf(
  commands: CommandRegistry,
  kernels: IKernels,
  trans: TranslationBundle
): IKernelActions {
  const run = (command: string, args: { id: string; seconds?: number }): void =>
    void commands.execute(command, args);
  return {
    open: path => void commands.execute('docmanager:open', { path }),
    keep: (id, seconds) => run(CommandIDs.keepKernel, { id, seconds }),
    chooseTime: (id, button) => {
      const menu = new Menu({ commands });
      for (const seconds of keepTimes(kernels.policy)) {
        menu.addItem({ command: CommandIDs.keepKernel, args: { id, seconds } });
      }
      menu.aboutToClose.connect(() => {
        button.focus();
        // what was chosen runs after the menu has closed
        requestAnimationFrame(() => menu.dispose());
      });
      const { left, bottom } = button.getBoundingClientRect();
      menu.open(left, bottom);
      menu.activeIndex = 0;
    },
    release: id =>
      void told(trans.__('%1 could not be released', title(kernels, id)), trans, () =>
        kernels.release(id)
      ),
    stop: id => run(CommandIDs.stopKernel, { id }),
    explain: id => run(CommandIDs.explainKernel, { id }),
    dismiss: id =>
      void told(trans.__('The notice could not be taken away'), trans, () => kernels.dismiss(id))
  };
}

/** What a kernel is called, also one that is gone by now. */
export function title(kernels: Pick<IKernels, 'get'>, id: string): string {
  const kernel = kernels.get(id);
  return kernel ? nameOf(kernel) : id;
}
