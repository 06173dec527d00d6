import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, Notification, ReactWidget, showDialog } from '@jupyterlab/apputils';
import { ITranslator } from '@jupyterlab/translation';
import { deleteIcon } from '@jupyterlab/ui-components';

import { Places, placesText } from '../backends/places';
import { BackendsNotice } from '../backends/notice';
import { Rendered, told } from '../components';
import { CommandIDs, IBackends, IMlkPanel } from '../tokens';
import { ours } from '../translation';

/** Where jobs run, and what is left there of jobs that are gone. */
export const places: JupyterFrontEndPlugin<void> = {
  id: 'mlk-jupyter:places',
  description:
    'Where jobs run, in the side panel; removes what is left there of jobs that are gone.',
  autoStart: true,
  requires: [IMlkPanel, IBackends],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    panel: IMlkPanel,
    backends: IBackends,
    translator: ITranslator | null
  ) => {
    const { commands } = app;
    const trans = ours(translator);
    const list = new Rendered(() => <Places backends={backends.all} trans={trans} />, {
      signals: [backends.changed]
    });
    list.addClass('mlk-Places');
    panel.addSection({
      id: 'places',
      title: trans.__('Jobs run on'),
      rank: 900,
      widget: list,
      summary: { text: () => placesText(backends.all, trans), changed: backends.changed },
      notice: new BackendsNotice(
        backends,
        () => void commands.execute(CommandIDs.removeOrphans),
        trans
      ),
      isOpen: false,
      follow: () => backends.follow(),
      refresh: () => void backends.refresh()
    });

    commands.addCommand(CommandIDs.removeOrphans, {
      label: trans.__('Remove What Is Left of Jobs…'),
      caption: trans.__('Remove objects in clusters whose job is gone'),
      icon: deleteIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      isEnabled: () => (backends.orphans?.length ?? 0) > 0,
      execute: async () => {
        const { Orphans } = await import('../backends/orphans');
        const orphans = backends.orphans ?? [];
        const { button } = await showDialog({
          title: trans._n(
            'Remove %1 object of a job that is gone?',
            'Remove %1 objects of jobs that are gone?',
            orphans.length
          ),
          body: ReactWidget.create(<Orphans orphans={orphans} trans={trans} />),
          buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Remove them') })],
          defaultButton: 0
        });
        if (button.accept) {
          await told(trans.__('They could not be removed'), trans, async () => {
            const count = await backends.removeOrphans();
            Notification.success(trans._n('%1 object removed', '%1 objects removed', count));
          });
        }
      }
    });
  }
};
