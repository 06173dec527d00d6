import type { TranslationBundle } from '@jupyterlab/translation';

import { Rendered } from '../components';
import type { IGpus } from '../tokens';
import type { IGpuActions } from './mine';
import { GpusView } from './view';

export interface IGpusSectionOptions {
  gpus: IGpus;
  actions: IGpuActions;
  trans: TranslationBundle;
}

/** The GPUs in the side panel. */
export class GpusSection extends Rendered {
  constructor({ gpus, actions, trans }: IGpusSectionOptions) {
    super(
      () => (
        <GpusView
          gpus={gpus.gpus}
          dismissed={gpus.dismissed}
          error={gpus.error}
          clock={() => gpus.now()}
          actions={actions}
          onRetry={() => void gpus.refresh()}
          trans={trans}
        />
      ),
      { signals: [gpus.changed] }
    );
    this.addClass('mlk-GpusSection');
  }
}
