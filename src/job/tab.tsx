import type { IDisposable } from '@lumino/disposable';
import type { Message } from '@lumino/messaging';
import { Panel, PanelLayout, Widget } from '@lumino/widgets';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { Rendered } from '../components';
import type { IBackends } from '../tokens';
import { Header, panelId, tabId, Tabs } from './header';
import type { IHeaderProps } from './header';
import { LogPage } from './logpage';
import { MetricsPage } from './metricspage';
import type { JobModel, Page } from './model';
import { PAGES } from './model';
import type { NotebookPage } from './notebookpage';
import { Overview } from './overview';

export type HeaderActions = Pick<
  IHeaderProps,
  'onStop' | 'onAgain' | 'onDelete' | 'onOpenNotebook'
>;

export interface IJobTabOptions {
  model: JobModel;
  backends: IBackends;
  /** What else is kept up to date while the tab is in view. */
  follow: () => IDisposable;
  page: Page;
  trans: TranslationBundle;
  actions: HeaderActions;
  onCopy: (text: string) => void;
  /** The pages that need more than the model; each is made when it is first shown. */
  notebookPage: () => NotebookPage;
  logPage: () => LogPage;
  metricsPage: () => MetricsPage;
}

/** One job: header, tabs, and the page that is chosen. Owns the model. */
export class JobTab extends Widget {
  constructor(private readonly _options: IJobTabOptions) {
    super();
    this.addClass('mlk-JobTab');
    this._prefix = `mlk-${_options.model.id}`;
    this._page = _options.page;
    this._head = new Rendered(() => this._drawHead(), { whileVisible: _options.follow });
    this._head.addClass('mlk-JobTab-head');
    this._body = new Panel();
    this._body.addClass('mlk-JobTab-body');
    const layout = new PanelLayout();
    layout.addWidget(this._head);
    layout.addWidget(this._body);
    this.layout = layout;
    _options.model.changed.connect(this._onChanged, this);
    _options.backends.changed.connect(this._onChanged, this);
    this._choose(this._page);
  }

  get model(): JobModel {
    return this._options.model;
  }

  get page(): Page {
    return this._page;
  }
  set page(page: Page) {
    if (page !== this._page) {
      this._choose(page);
      this._pageChanged.emit(page);
    }
  }

  get pageChanged(): ISignal<this, Page> {
    return this._pageChanged;
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.model.changed.disconnect(this._onChanged, this);
    this._options.backends.changed.disconnect(this._onChanged, this);
    super.dispose();
    this.model.dispose();
    Signal.clearData(this);
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._show();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this._show();
  }

  protected override onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this._show();
  }

  protected override onBeforeDetach(msg: Message): void {
    this.model.show(null);
    super.onBeforeDetach(msg);
  }

  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this._focus();
  }

  /** Focuses the chosen tab, or will when it is drawn. */
  private _focus(): void {
    const tab = document.getElementById(tabId(this._prefix, this._page));
    this._wantsFocus = tab === null;
    tab?.focus();
  }

  private _choose(page: Page): void {
    this._page = page;
    const shown = this._pages.get(page) ?? this._make(page);
    for (const [, other] of this._pages) {
      other.setHidden(other !== shown);
    }
    this._show();
  }

  private _make(page: Page): Widget {
    const made = this._create(page);
    made.addClass('mlk-JobTab-page');
    made.node.id = panelId(this._prefix, page);
    made.node.setAttribute('role', 'tabpanel');
    made.node.setAttribute('aria-labelledby', tabId(this._prefix, page));
    this._pages.set(page, made);
    this._body.addWidget(made);
    return made;
  }

  private _create(page: Page): Widget {
    switch (page) {
      case 'overview': {
        const overview = new Rendered(() => this._drawOverview());
        overview.node.tabIndex = 0;
        return overview;
      }
      case 'notebook':
        return this._options.notebookPage();
      case 'log':
        return this._options.logPage();
      case 'metrics':
        return this._options.metricsPage();
    }
  }

  /** Says the model what is looked at, so that nothing else is subscribed. */
  private _show(): void {
    this.model.show(this.isVisible ? this._page : null);
    this._onChanged();
  }

  private _onChanged(): void {
    this._head.update();
    this._pages.get('overview')?.update();
  }

  private _openLog(rank: number): void {
    this.page = 'log';
    (this._pages.get('log') as LogPage).rank = rank;
    this._focus(); // what was pressed is hidden now
  }

  private _openCell(cell: number): void {
    this.page = 'notebook';
    (this._pages.get('notebook') as NotebookPage).goTo(cell);
    this._focus();
  }

  private _drawHead(): JSX.Element {
    const { model, backends, trans, actions } = this._options;
    return (
      <>
        <Header
          job={model.status}
          backend={backends.get(model.status?.backend ?? '')}
          error={model.error}
          visible={this.isVisible}
          trans={trans}
          {...actions}
        />
        <Tabs
          prefix={this._prefix}
          page={this._page}
          made={PAGES.filter(page => this._pages.has(page))}
          trans={trans}
          onPage={page => (this.page = page)}
          onReady={() => this._wantsFocus && this._focus()}
        />
      </>
    );
  }

  private _drawOverview(): JSX.Element {
    const { model, backends, trans, onCopy } = this._options;
    if (!model.status) {
      return <p className="mlk-Overview-none">{trans.__('Asking the server for the job.')}</p>;
    }
    return (
      <Overview
        job={model.status}
        backend={backends.get(model.status.backend)}
        run={model.run}
        runError={model.runError}
        trends={model.trends.all}
        visible={this.isVisible && this._page === 'overview'}
        trans={trans}
        onCopy={onCopy}
        onLog={rank => this._openLog(rank)}
        onCell={cell => this._openCell(cell)}
      />
    );
  }

  private readonly _prefix: string;
  private readonly _head: Rendered;
  private readonly _body: Panel;
  private readonly _pages = new Map<Page, Widget>();
  private readonly _pageChanged = new Signal<this, Page>(this);
  private _page: Page;
  private _wantsFocus = false;
}
