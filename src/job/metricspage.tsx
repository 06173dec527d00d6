import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api';
import type { FramesFeed } from './feeds';
import { Metrics } from './metrics';
import { Rendered } from './rendered';

export interface IMetricsPageOptions {
  feed: FramesFeed;
  trans: TranslationBundle;
  /** Name of the theme, and when it changes; null where there are no themes. */
  theme: { readonly name: () => string; readonly changed: ISignal<unknown, unknown> } | null;
}

/** The curves of a job: asked for once, then drawn as they grow. */
export class MetricsPage extends Rendered {
  constructor(private readonly _options: IMetricsPageOptions) {
    super(() => this._metrics());
    this.node.tabIndex = 0;
    _options.feed.stateChanged.connect(this._onFeed, this);
    _options.theme?.changed.connect(this._onTheme, this);
    void this._load();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._options.feed.stateChanged.disconnect(this._onFeed, this);
      this._options.theme?.changed.disconnect(this._onTheme, this);
      super.dispose();
    }
  }

  private _onFeed(): void {
    this._version += 1;
    if (this.isVisible) {
      this.update();
    }
  }

  private _onTheme(): void {
    this.update();
  }

  private async _load(): Promise<void> {
    try {
      await this._options.feed.loadMetrics();
      this._error = null;
      this._isLoaded = true;
    } catch (error) {
      this._error = ApiError.from(error, this._options.trans);
    }
    if (!this.isDisposed) {
      this.update();
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

  private _isLoaded = false;
  private _error: ApiError | null = null;
  private _version = 0;
}
