import type { IRenderMime } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel } from '@lumino/widgets';

import { ApiError } from '../api';
import { ErrorBanner, Rendered } from '../components';
import type { LogFeed } from './feeds';
import { LogBar } from './logbar';
import { LogBody } from './logbody';
import type { JobModel } from './model';

export interface ILogPageOptions {
  model: JobModel;
  sanitizer: IRenderMime.ISanitizer;
  trans: TranslationBundle;
  /** Keeps the whole log of a rank as a file. Raises ApiError. */
  download: (rank: number) => Promise<void>;
}

/** The log of one rank at a time. */
export class LogPage extends Panel {
  constructor(private readonly _options: ILogPageOptions) {
    super();
    this.addClass('mlk-LogPage');
    const { model, sanitizer, trans } = _options;
    this._feed = model.log(0);
    this._body = new LogBody(sanitizer, trans);
    this._bar = new Rendered(() => this._draw());
    this.addWidget(this._bar);
    this.addWidget(this._body);
    this._body.stateChanged.connect(this._update, this);
    this._body.trimmed.connect((_, offset) => this._feed.forget(offset));
    model.changed.connect(this._update, this);
    this._listen();
  }

  /** Shows another rank. */
  set rank(rank: number) {
    if (rank === this._feed.rank) {
      return;
    }
    const { active } = this._feed;
    this._feed = this._options.model.log(rank);
    this._body.clear();
    this._failure = null;
    this._listen();
    this._feed.active = active;
    this._body.follow();
    this._update();
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._options.model.changed.disconnect(this._update, this);
      super.dispose();
    }
  }

  /** A feed that is replaced is disposed by the model, its signals with it. */
  private _listen(): void {
    this._feed.changed.connect((_, change) => this._body.apply(change));
    this._feed.stateChanged.connect(this._update, this);
  }

  private _update(): void {
    this._bar.update();
  }

  private _draw(): JSX.Element {
    const { model, trans, download } = this._options;
    const feed = this._feed;
    const ranks = model.status?.ranks.map(({ rank }) => rank) ?? [];
    const error = this._failure ?? feed.error;
    return (
      <>
        <LogBar
          ranks={ranks.includes(feed.rank) ? ranks : [feed.rank, ...ranks]}
          rank={feed.rank}
          note={this._note()}
          hasOlder={(feed.first ?? 0) > 0}
          following={this._body.following}
          trans={trans}
          onRank={rank => (this.rank = rank)}
          onOlder={() => void this._try(feed.older())}
          onEnd={() => this._body.follow()}
          query={this._body.query}
          places={this._body.places}
          onQuery={query => (this._body.query = query)}
          onFind={direction => this._body.find(direction)}
          onDownload={() => void this._try(download(feed.rank))}
        />
        {error && <ErrorBanner error={error} trans={trans} />}
      </>
    );
  }

  private _note(): string | null {
    const { trans } = this._options;
    if (!this._body.isEmpty || this._feed.error) {
      return null;
    }
    if (this._feed.first === null) {
      return trans.__('Asking the server for the log.');
    }
    return this._feed.final
      ? trans.__('This process wrote nothing.')
      : trans.__('This process has written nothing yet.');
  }

  private async _try(action: Promise<void>): Promise<void> {
    try {
      await action;
      this._failure = null;
    } catch (error) {
      this._failure = ApiError.from(error, this._options.trans);
    }
    if (!this.isDisposed) {
      this._update();
    }
  }

  private readonly _body: LogBody;
  private readonly _bar: Rendered;
  private _feed: LogFeed;
  private _failure: ApiError | null = null;
}
