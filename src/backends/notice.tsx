import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';

import { Rendered } from '../components';
import type { IBackends } from '../tokens';
import { PlacesNotice } from './places';

/** What is wrong with a cluster, and what is left in one. */
export class BackendsNotice extends Rendered {
  constructor(
    private readonly _backends: IBackends,
    onRemoveOrphans: () => void,
    trans: TranslationBundle
  ) {
    super(
      () => (
        <PlacesNotice
          backends={_backends.all}
          orphans={_backends.orphans}
          onRemoveOrphans={onRemoveOrphans}
          trans={trans}
        />
      ),
      { signals: [_backends.changed] }
    );
    this.addClass('mlk-PlacesNotice');
  }

  protected override onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    if (this.isVisible) {
      void this._backends.lookForOrphans();
    }
  }
}
