import type { IStateDB } from '@jupyterlab/statedb';
import type { ITranslator } from '@jupyterlab/translation';
import { SidePanel } from '@jupyterlab/ui-components';
import { DisposableDelegate } from '@lumino/disposable';
import type { IDisposable } from '@lumino/disposable';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import type { AccordionPanel } from '@lumino/widgets';

import { jobsIcon, Rendered } from '../components';
import type { IMlkPanel, IPanelSection } from '../tokens';

export interface IMlkPanelOptions {
  title: string;
  /** Above the sections and their notices. */
  header: Widget;
  /** Brings the panel to the front. */
  onShow: () => void;
  translator: ITranslator;
}

/** Where it is remembered which sections are open. */
const STATE = 'mlk-jupyter:panel';

interface IState {
  /** Whether a section is open, by its id; only those that a person opened or folded. */
  readonly open?: Readonly<Record<string, boolean>>;
}

/** The side panel: a header, the notices of the sections, and the sections themselves. */
export class MlkPanel extends SidePanel implements IMlkPanel {
  constructor({ title, header, onShow, translator }: IMlkPanelOptions) {
    super({ translator });
    this.id = 'mlk-jupyter-panel';
    this.addClass('mlk-Panel');
    this.title.icon = jobsIcon;
    this.title.caption = title;
    this.node.setAttribute('aria-label', title);
    this.header.addWidget(header);
    this._onShow = onShow;
    this._accordion = this.content as AccordionPanel;
    this._accordion.expansionToggled.connect(this._onToggled, this);
    this._observer.observe(this._accordion.node);
  }

  override dispose(): void {
    this._observer.disconnect();
    super.dispose();
  }

  addSection(section: IPanelSection): IDisposable {
    const { id, title, rank, widget, notice, summary, follow } = section;
    if (this._sections.some(other => other.id === id)) {
      throw new Error(`The panel has a section “${id}” already.`);
    }
    const before = this._sections.filter(other => other.rank <= rank);
    const at = before.length;
    this._sections.splice(at, 0, section);
    widget.id ||= `mlk-section-${id}`;
    widget.title.label = title;
    widget.setHidden(!this._isOpen(section));
    this.insertWidget(at, widget);
    if (notice) {
      // the header itself stands first
      this.header.insertWidget(1 + before.filter(other => other.notice).length, notice);
    }
    // Nothing to see: it is in view whenever the panel is.
    const follower = new Rendered(() => <></>, { whileVisible: follow });
    this.header.addWidget(follower);
    // Core appends what is inserted: Tab and readers would meet sections in another order than eyes do.
    for (const [later, { widget }] of this._sections.entries()) {
      if (later > at) {
        this._accordion.node.append(this._accordion.titles[later], widget.node);
      }
    }

    // Core's own label leaves out what stands beside the title.
    this._accordion.titles[at].removeAttribute('aria-label');
    const words = document.createElement('span');
    words.className = 'mlk-Panel-summary';
    this._accordion.titles[at].append(words);
    const summarise = (): void => {
      const text = summary?.text() ?? '';
      words.textContent = text;
      words.title = text;
    };
    summarise();
    summary?.changed.connect(summarise);

    return new DisposableDelegate(() => {
      summary?.changed.disconnect(summarise);
      this._sections.splice(this._sections.indexOf(section), 1);
      widget.dispose();
      notice?.dispose();
      follower.dispose();
    });
  }

  showSection(id: string): void {
    const at = this._sections.findIndex(section => section.id === id);
    if (at >= 0) {
      this._accordion.expand(at);
    }
    this._onShow();
  }

  /** Asks every section for what is new. */
  refresh(): void {
    for (const section of this._sections) {
      section.refresh?.();
    }
  }

  /** Opens and folds the sections as a person left them, and remembers it from now on. */
  async remember(state: IStateDB): Promise<void> {
    const kept = (await state.fetch(STATE)) as IState | undefined;
    this._open = new Map(Object.entries(kept?.open ?? {}));
    for (const [at, section] of this._sections.entries()) {
      if (this._isOpen(section)) {
        this._accordion.expand(at);
      } else {
        this._accordion.collapse(at);
      }
    }
    this._state = state;
  }

  private _isOpen({ id, isOpen = true }: IPanelSection): boolean {
    return this._open.get(id) ?? isOpen;
  }

  private _onToggled(_: AccordionPanel, at: number): void {
    const { id, widget } = this._sections[at];
    if (this._state) {
      this._open.set(id, !widget.isHidden);
      void this._state.save(STATE, { open: Object.fromEntries(this._open) });
    }
  }

  /** The header grows with its words and with notices: sections have what is left. */
  private readonly _observer = new ResizeObserver(() =>
    MessageLoop.postMessage(this._accordion, Widget.ResizeMessage.UnknownSize)
  );
  private readonly _accordion: AccordionPanel;
  private readonly _onShow: () => void;
  private readonly _sections: IPanelSection[] = [];
  private _open = new Map<string, boolean>();
  private _state: IStateDB | null = null;
}
