import type { TranslationBundle } from '@jupyterlab/translation';
import { DisposableDelegate } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api';
import type { IMetric } from '../charts';
import { Rendered } from '../components';
import type { IJobs } from '../tokens';
import type { Comparison } from './comparison';
import { Metrics } from './metrics';
import type { IDrawnJob } from './metricslines';
import type { JobModel } from './model';

export interface IMetricsPageOptions {
  model: JobModel;
  /** Jobs laid over this one; disposed with the page. */
  comparison: Comparison;
  jobs: Pick<IJobs, 'jobs' | 'get'>;
  /** What a job is called beside others. */
  titleOf: (id: string) => string;
  trans: TranslationBundle;
  /** Name of the theme, and when it changes; null where there are no themes. */
  theme: { readonly name: () => string; readonly changed: ISignal<unknown, unknown> } | null;
}

/** A tracking server that is being started is asked again after so long, so often. */
const RETRY_MS = 2000;
const MOST_RETRIES = 15;
/** Jobs that can be chosen to be laid over this one: the newest. */
const MOST_OFFERED = 100;

/** The curves of a job: asked for once, then drawn as they grow; those that only MLflow has, now and at the end. */
export class MetricsPage extends Rendered {
  constructor(private readonly _options: IMetricsPageOptions) {
    super(() => this._metrics(), {
      signals: _options.theme ? [_options.theme.changed] : [],
      whileVisible: () => {
        _options.comparison.active = true;
        return new DisposableDelegate(() => (_options.comparison.active = false));
      }
    });
    this.node.tabIndex = 0;
    _options.model.frames.stateChanged.connect(this._onFeed, this);
    _options.comparison.changed.connect(this._onCompared, this);
    void this._load();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      clearTimeout(this._retry);
      this._options.comparison.dispose();
      super.dispose();
    }
  }

  private _onFeed(): void {
    this._version += 1;
    if (this._options.model.frames.final && !this._wasFinal) {
      this._wasFinal = true;
      void this._loadRecorded();
    }
    this.onSignal();
  }

  private _onCompared(): void {
    this._version += 1;
    this.update();
  }

  private async _load(): Promise<void> {
    try {
      await this._options.model.frames.loadMetrics();
      this._error = null;
      this._isLoaded = true;
      void this._loadRecorded();
    } catch (error) {
      this._error = ApiError.from(error, this._options.trans);
    }
    if (!this.isDisposed) {
      this.update();
    }
  }

  /** What MLflow has beside. Where it has nothing to say, the page does not depend on it: Overview tells why. */
  private async _loadRecorded(retries = MOST_RETRIES): Promise<void> {
    clearTimeout(this._retry);
    try {
      await this._options.model.frames.loadRecorded();
    } catch (error) {
      const { status } = ApiError.from(error, this._options.trans);
      if (status === 503 && retries > 0 && !this.isDisposed) {
        this._retry = setTimeout(() => void this._loadRecorded(retries - 1), RETRY_MS);
      }
    }
  }

  private _metrics(): JSX.Element {
    const { model, comparison, jobs, titleOf, theme, trans } = this._options;
    const feed = model.frames;
    const chosen = new Set([model.id, ...comparison.all.map(({ id }) => id)]);
    return (
      <Metrics
        job={this._drawn(model.id, 0, feed.series.all)}
        compared={comparison.all.map(({ id, colour, metrics }) => this._drawn(id, colour, metrics))}
        others={jobs.jobs
          .filter(({ id, started_at: began }) => began !== null && !chosen.has(id))
          .slice(0, MOST_OFFERED)
          .map(({ id }) => ({ id, title: titleOf(id) }))}
        isLoaded={this._isLoaded}
        final={feed.final}
        error={this._error ?? feed.error ?? comparison.error}
        version={this._version}
        theme={theme?.name() ?? ''}
        trans={trans}
        onRetry={() => {
          void this._load();
          comparison.retry();
        }}
        onCompare={id => comparison.add(id)}
        onForget={id => comparison.remove(id)}
      />
    );
  }

  private _drawn(id: string, colour: number, metrics: readonly IMetric[]): IDrawnJob {
    const { model, jobs, titleOf } = this._options;
    const job = id === model.id ? model.status : jobs.get(id);
    return { id, title: titleOf(id), colour, startedAt: job?.started_at ?? null, metrics };
  }

  private _retry: ReturnType<typeof setTimeout> | undefined;
  private _wasFinal = false;
  private _isLoaded = false;
  private _error: ApiError | null = null;
  private _version = 0;
}
