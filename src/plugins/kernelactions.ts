import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, Notification, showDialog } from '@jupyterlab/apputils';
import { ITranslator } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { KernelState } from '../api';
import { told } from '../components';
import { kernelAt, kernelOf } from '../kernels/current';
import { Presence } from '../kernels/presence';
import { stopText } from '../kernels/stopping';
import { isAtWork, keepTime, left, nameOf, timeOf } from '../kernels/words';
import { CommandIDs, IKernels } from '../tokens';
import { ours } from '../translation';

/** What can be done with a kernel. */
export const kernelActions: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:kernel-actions',
  description: 'Commands that keep, stop and explain kernels.',
  autoStart: true,
  requires: [IKernels],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    kernels: IKernels,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const { commands, shell } = app;
    const trans = ours(translator);
    const meant = ({ id }: ReadonlyPartialJSONObject): KernelState | undefined =>
      kernels.get(typeof id === 'string' ? id : (kernelOf(shell.currentWidget) ?? ''));
    const isThere = (args: ReadonlyPartialJSONObject): boolean => meant(args) !== undefined;
    const secondsOf = ({ seconds }: ReadonlyPartialJSONObject): number =>
      typeof seconds === 'number' ? seconds : keepTime(kernels.policy);
    const properties = {
      id: {
        type: 'string',
        description: trans.__('The id of the kernel. Default: that of the notebook in front.')
      }
    };
    const describedBy = { args: { type: 'object', properties } };

    commands.addCommand(CommandIDs.keepKernel, {
      label: args =>
        args.id === undefined
          ? trans.__('Keep This Kernel %1', left(secondsOf(args), trans))
          : trans.__('Keep %1', left(secondsOf(args), trans)),
      caption: trans.__('Do not stop the kernel for so long, whatever it does'),
      describedBy: {
        args: {
          type: 'object',
          properties: {
            ...properties,
            seconds: { type: 'number', description: trans.__('For how long. Default: 2 hours.') }
          }
        }
      },
      isEnabled: args => isThere(args) && kernels.policy?.mode !== 'off',
      execute: async args => {
        const kernel = meant(args);
        if (!kernel) {
          return;
        }
        await told(trans.__('%1 could not be kept', nameOf(kernel)), trans, async () => {
          await kernels.keep(kernel.id, secondsOf(args));
          const until = kernels.get(kernel.id)?.lease?.until;
          if (args.id === undefined && until !== undefined) {
            const time = timeOf(until, kernels.now());
            Notification.success(trans.__('%1 is kept until %2', nameOf(kernel), time));
          }
        });
      }
    });

    commands.addCommand(CommandIDs.stopKernel, {
      label: args => (args.id === undefined ? trans.__('Stop This Kernel…') : trans.__('Stop…')),
      caption: trans.__('Stop the kernel and free what it holds'),
      describedBy,
      isEnabled: isThere,
      execute: async args => {
        const kernel = meant(args);
        if (!kernel) {
          return;
        }
        const { button } = await showDialog({
          title: isAtWork(kernel)
            ? trans.__('%1 is at work. Stop it?', nameOf(kernel))
            : trans.__('Stop %1?', nameOf(kernel)),
          body: stopText(kernel, kernels.now(), trans),
          buttons: [
            Dialog.cancelButton({ label: trans.__('Keep running') }),
            Dialog.warnButton({ label: trans.__('Stop') })
          ],
          defaultButton: 0
        });
        if (button.accept) {
          await told(trans.__('%1 could not be stopped', nameOf(kernel)), trans, () =>
            kernels.stop(kernel.id)
          );
        }
      }
    });

    commands.addCommand(CommandIDs.explainKernel, {
      label: trans.__('Why Is This Kernel Stopped or Not?'),
      caption: trans.__('Show what is known of the kernel and which limits hold for it'),
      describedBy,
      isEnabled: isThere,
      execute: async args => {
        const kernel = meant(args);
        if (kernel) {
          const { showWhy } = await import('../kernels/why');
          await showWhy(kernel, kernels, trans);
        }
      }
    });

    for (const command of [
      CommandIDs.keepKernel,
      CommandIDs.stopKernel,
      CommandIDs.explainKernel
    ]) {
      palette?.addItem({ command, category: trans.__('Kernels') });
    }
  }
};

/** The sign of life of a person, which their pointer and keys give. */
export const presence: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:presence',
  description: 'Tells the server, at most once a minute, that a person uses a notebook.',
  autoStart: true,
  requires: [IKernels],
  activate: (app: JupyterFrontEnd, kernels: IKernels) => {
    heard = new Presence({ kernels, kernelAt: node => kernelAt(node, app.shell) });
  },
  deactivate: () => heard?.dispose()
};

let heard: Presence | null = null;
