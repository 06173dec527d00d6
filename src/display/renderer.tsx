import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { MimeModel } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel } from '@lumino/widgets';

import { Rendered } from '../components';
import type { Page } from '../job/model';
import type { IBackends, IJobs, IMlkApi, IMlkChannel } from '../tokens';
import { DisplayModel } from './model';
import { Display } from './view';

/** Media type of `{"id": …}`; written by `mlk_jupyter/magics/display.py`. */
export const JOB_MIME = 'application/vnd.mlk-jupyter.job+json';
/** Ids of jobs are DNS labels. What else stands in a notebook is nobody's job. */
const ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export interface IJobDisplayOptions {
  api: IMlkApi;
  channel: IMlkChannel;
  jobs: IJobs;
  backends: IBackends;
  rendermime: IRenderMimeRegistry;
  trans: TranslationBundle;
  onStop: (id: string) => void;
  onOpen: (id: string, page: Page) => void;
}

/**
 * An output that names a job: drawn live from the server, whatever became of the kernel. Where the server does not know
 * the job, or is not there, it is the summary that the notebook has.
 */
export class JobDisplay extends Panel implements IRenderMime.IRenderer {
  constructor(private readonly _options: IJobDisplayOptions) {
    super();
    this.addClass('mlk-JobDisplay');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._saved = model;
    const named = model.data[JOB_MIME] as { readonly id?: unknown } | undefined;
    const id = typeof named?.id === 'string' && ID.test(named.id) ? named.id : null;
    if (id !== (this._model?.id ?? null)) {
      this._show(id);
    }
    await this._fallBack();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      super.dispose();
      this._model?.dispose();
    }
  }

  private _show(id: string | null): void {
    this._live?.dispose();
    this._model?.dispose();
    this._live = this._model = null;
    if (id === null) {
      return;
    }
    const { api, channel, jobs, backends } = this._options;
    const model = new DisplayModel(id, {
      api,
      channel,
      onKnown: job => {
        if (!jobs.get(id)) {
          jobs.put(job); // a kernel submitted it: what can be done with a job asks the list
        }
      }
    });
    const live: Rendered = new Rendered((): JSX.Element => this._draw(model, live.isVisible), {
      signals: [model.changed, backends.changed, channel.linkChanged],
      whileVisible: () => model.follow()
    });
    this._model = model;
    this._live = live;
    this.insertWidget(0, live);
    model.changed.connect(this._onChanged, this);
  }

  private _draw(model: DisplayModel, visible: boolean): JSX.Element {
    const { channel, jobs, backends, trans, onStop, onOpen } = this._options;
    const job = model.status;
    if (job === null) {
      return <></>;
    }
    return (
      <Display
        job={job}
        mark={jobs.marks.get(job.id) ?? ''}
        backend={backends.get(job.backend)}
        lines={model.lines}
        curves={model.curves}
        link={channel.link}
        visible={visible}
        trans={trans}
        onStop={() => onStop(job.id)}
        onOpen={page => onOpen(job.id, page)}
      />
    );
  }

  private _onChanged(): void {
    void this._fallBack();
  }

  /** Shows the summary that the notebook has, as long as there is nothing better. */
  private async _fallBack(): Promise<void> {
    const saved = this._saved;
    if (this.isDisposed || saved === null) {
      return;
    }
    if (this._model?.status) {
      this._summary?.dispose();
      this._summary = null;
      return;
    }
    const { [JOB_MIME]: _, ...data } = saved.data;
    const { rendermime } = this._options;
    const type = rendermime.preferredMimeType(data, saved.trusted ? 'any' : 'ensure');
    if (type === undefined) {
      return;
    }
    if (this._summary === null) {
      this._summary = rendermime.createRenderer(type);
      this.addWidget(this._summary);
    }
    await this._summary.renderModel(
      new MimeModel({ data, metadata: saved.metadata, trusted: saved.trusted })
    );
  }

  private _saved: IRenderMime.IMimeModel | null = null;
  private _model: DisplayModel | null = null;
  private _live: Rendered | null = null;
  private _summary: IRenderMime.IRenderer | null = null;
}
