import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api';
import { Rendered } from '../components';
import type { FramesFeed } from './feeds';
import { Metrics } from './metrics';

export interface IMetricsPageOptions {
  feed: FramesFeed;
  trans: TranslationBundle;
  /** Name of the theme, and when it changes; null where there are no themes. */
  theme: { readonly name: () => string; readonly changed: ISignal<unknown, unknown> } | null;
}

/** A tracking server that is being started is asked again after so long, so often. */
const RETRY_MS = 2000;
const MOST_RETRIES = 15;

/** The curves of a job: asked for once, then drawn as they grow; those that only MLflow has, now and at the end. */
export class MetricsPage extends Rendered {
  constructor(private readonly _options: IMetricsPageOptions) {
    super(() => this._metrics(), { signals: _options.theme ? [_options.theme.changed] : [] });
    this.node.tabIndex = 0;
    _options.feed.stateChanged.connect(this._onFeed, this);
    void this._load();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      clearTimeout(this._retry);
      super.dispose();
    }
  }

  private _onFeed(): void {
    this._version += 1;
    if (this._options.feed.final && !this._wasFinal) {
      this._wasFinal = true;
      void this._loadRecorded();
    }
    this.onSignal();
  }

  private async _load(): Promise<void> {
    try {
      await this._options.feed.loadMetrics();
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
      await this._options.feed.loadRecorded();
    } catch (error) {
      const { status } = ApiError.from(error, this._options.trans);
      if (status === 503 && retries > 0 && !this.isDisposed) {
        this._retry = setTimeout(() => void this._loadRecorded(retries - 1), RETRY_MS);
      }
    }
  }

  private _metrics(): JSX.Element {
    const { feed, theme, trans } = this._options;
    return (
      <Metrics
        series={feed.series.all}
        isLoaded={this._isLoaded}
        final={feed.final}
        error={this._error ?? feed.error}
        version={this._version}
        theme={theme?.name() ?? ''}
        trans={trans}
        onRetry={() => void this._load()}
      />
    );
  }

  private _retry: ReturnType<typeof setTimeout> | undefined;
  private _wasFinal = false;
  private _isLoaded = false;
  private _error: ApiError | null = null;
  private _version = 0;
}
