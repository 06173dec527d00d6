import type { CommandRegistry } from '@lumino/commands';

import type { GpuHolder } from '../api';
import { pathOf } from '../kernels/words';
import { CommandIDs } from '../tokens';
import type { IGpus, IKernels } from '../tokens';
import type { IGpuActions } from './mine';

/** What the rows of GPUs and of advice do: by commands that are there for jobs and kernels. */
export function actionsOf(
  commands: CommandRegistry,
  gpus: IGpus,
  kernels: Pick<IKernels, 'get'>
): IGpuActions {
  const run = (command: string, args: Record<string, string>): void =>
    void commands.execute(command, args);
  return {
    open: ({ kind, id }: GpuHolder) => {
      const kernel = kernels.get(id);
      const path = kernel && pathOf(kernel);
      if (kind === 'job') {
        run(CommandIDs.openJob, { id });
      } else if (path) {
        run('docmanager:open', { path });
      } else {
        run(CommandIDs.showKernels, { id });
      }
    },
    stop: ({ kind, id }) => run(kind === 'job' ? CommandIDs.stop : CommandIDs.stopKernel, { id }),
    keep: ({ id }) => run(CommandIDs.keepKernel, { id }),
    dismiss: id => gpus.dismiss(id),
    restore: id => gpus.restore(id),
    openJob: id => run(CommandIDs.openJob, { id }),
    showKernel: id => run(CommandIDs.showKernels, { id })
  };
}
