import type { CommandRegistry } from '@lumino/commands';

import { CommandIDs } from '../tokens';
import type { IJobActions } from './row';

/** The actions of a row, through the commands that everybody else uses. */
export function actionsOf(commands: CommandRegistry): IJobActions {
  const run = (command: string) => (id: string) => {
    if (commands.isEnabled(command, { id })) {
      void commands.execute(command, { id });
    }
  };
  return {
    open: run(CommandIDs.openJob),
    stop: run(CommandIDs.stop),
    again: run(CommandIDs.again),
    openNotebook: run(CommandIDs.openNotebook),
    remove: run(CommandIDs.remove),
    removeAll: ids => void commands.execute(CommandIDs.remove, { ids: [...ids] })
  };
}
