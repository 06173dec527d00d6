import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import type {
  Api,
  ApiError,
  BackendInfo,
  Channel,
  Explained,
  Gpus,
  IdleSettings,
  IdleTotals,
  JobSummary,
  KernelState,
  Orphan,
  PolicyView,
  Stopped
} from './api';

/** The domain of our translations. */
export const DOMAIN = 'mlk_jupyter';

/**
 * Commands that other extensions may call. They open something or ask first; the one that does neither only puts off the
 * end of a kernel, which `stopKernel` undoes.
 */
export namespace CommandIDs {
  /** Opens the dialog that submits a notebook. Arguments: `{path?}`. */
  export const submit = 'mlk:submit';
  /** Opens the dialog for the file selected in the file browser. */
  export const submitSelected = 'mlk:submit-selected';
  /** Opens the dialog with the values of a job. Arguments: `{id}`. */
  export const again = 'mlk:run-again';
  /** Opens the tab of a job. Arguments: `{id, page?}`. */
  export const openJob = 'mlk:open-job';
  /** Asks whether to stop a job. Arguments: `{id}`. */
  export const stop = 'mlk:stop-job';
  /** Asks whether to delete a job or several, with their records. Arguments: `{id}` or `{ids}`. */
  export const remove = 'mlk:delete-job';
  /** Asks whether to remove what is left in clusters of jobs that are gone. */
  export const removeOrphans = 'mlk:remove-orphans';
  /** Copies the name of a job. Arguments: `{id}`. */
  export const copyName = 'mlk:copy-job-name';
  /** Opens the notebook that a job was made from. Arguments: `{id}`. */
  export const openNotebook = 'mlk:open-notebook';
  /** Shows the panel. */
  export const showPanel = 'mlk:show-jobs';
  /** Shows the kernels in the panel. Arguments: `{id?}`, the one that gets the focus. */
  export const showKernels = 'mlk:show-kernels';
  /** Keeps a kernel from being stopped. Arguments: `{id?, seconds?}`; default: the kernel of what is in front, 2 h. */
  export const keepKernel = 'mlk:keep-kernel';
  /** Asks whether to stop a kernel. Arguments: `{id?}`. */
  export const stopKernel = 'mlk:stop-kernel';
  /** Shows why a kernel is stopped or is not. Arguments: `{id?}`. */
  export const explainKernel = 'mlk:explain-kernel';
  /** Shows the GPUs in the panel. */
  export const showGpus = 'mlk:show-gpus';
}

// What every feature builds on.

/** The REST API of the server extension: `request` reaches any resource below `/mlk`. */
export type IMlkApi = Api;

export const IMlkApi = new Token<IMlkApi>(
  'mlk-jupyter:IMlkApi',
  'The REST API of the server extension.'
);

/** The one websocket of the window: a feature subscribes to topics of its own. */
export type IMlkChannel = Pick<Channel, 'subscribe' | 'retry' | 'link' | 'linkChanged'>;

export const IMlkChannel = new Token<IMlkChannel>(
  'mlk-jupyter:IMlkChannel',
  'The one websocket of the window, on which features subscribe to topics.'
);

/** A part of the side panel, with a title that folds it. */
export interface IPanelSection {
  /** What it is called where it is remembered whether it is open. */
  readonly id: string;
  readonly title: string;
  /** Sections stand by rank, the lowest first: the jobs have 100, where they run 900. */
  readonly rank: number;
  /** Hidden while the section is folded; disposed with it. */
  readonly widget: Widget;
  /** A few words beside the title, also while it is folded; empty: nothing to say. */
  readonly summary?: { readonly text: () => string; readonly changed: ISignal<unknown, unknown> };
  /** What needs a person, above all sections, also while this one is folded; disposed with it. */
  readonly notice?: Widget;
  /** What its summary and its notice need: held while the panel is in view, also while it is folded. */
  readonly follow?: () => IDisposable;
  /** Whether it is open until a person folds it. Default: true. */
  readonly isOpen?: boolean;
  /** What the button of the panel that refreshes asks of it. */
  readonly refresh?: () => void;
}

/** The side panel, into which features bring their sections. */
export interface IMlkPanel {
  /** Shows a section until the returned disposable is disposed. Raises: Error when its id is taken. */
  addSection(section: IPanelSection): IDisposable;
  /** Brings the panel to the front with this section open. */
  showSection(id: string): void;
}

export const IMlkPanel = new Token<IMlkPanel>(
  'mlk-jupyter:IMlkPanel',
  'The side panel, into which features bring their sections.'
);

// What features offer each other.

/** What a change of the list was. */
export interface IJobsChange {
  /** The whole list was replaced (first answer, reconnect). */
  readonly reset: boolean;
  readonly changed: readonly JobSummary[];
  readonly removed: readonly string[];
  /** Jobs that were seen unfinished and have now ended. */
  readonly ended: readonly JobSummary[];
}

/** The places where jobs run: asked once, and kept up to date while somebody looks. */
export interface IBackends {
  /** The one that jobs go to unless another is chosen comes first. Empty until the first answer. */
  readonly all: readonly BackendInfo[];
  readonly chosen: BackendInfo | undefined;
  get(name: string): BackendInfo | undefined;
  /** What is known, else what the server answers. Raises: ApiError. */
  load(): Promise<readonly BackendInfo[]>;
  /** Keeps them up to date until the returned disposable is disposed. */
  follow(): IDisposable;
  /** Asks again; what is known stays when nobody answers. */
  refresh(): Promise<void>;
  /** Objects in clusters whose job is gone; null when nobody has looked. */
  readonly orphans: readonly Orphan[] | null;
  /** Looks for them, once unless `again`. */
  lookForOrphans(again?: boolean): Promise<void>;
  /** Removes them; gives how many there were. Raises: ApiError. */
  removeOrphans(): Promise<number>;
  readonly changed: ISignal<IBackends, void>;
}

export const IBackends = new Token<IBackends>(
  'mlk-jupyter:IBackends',
  'The places where jobs run.'
);

/**
 * The jobs that the server knows: asked once, and kept up to date while somebody looks or one is not over.
 *
 * Who has no job that runs and looks at none costs the server and the cluster nothing.
 */
export interface IJobs {
  /** Newest first. The same array as long as nothing changed. */
  readonly jobs: readonly JobSummary[];
  /** Whether the first answer is there. */
  readonly isReady: boolean;
  /** Why the list cannot be read, if so. */
  readonly error: ApiError | null;
  /** Jobs that are neither queued nor over, and the GPUs they were given. */
  readonly active: { readonly jobs: number; readonly gpus: number };
  get(id: string): JobSummary | undefined;
  /** What tells each job from others of its name, by id: "lr=0.05", else the end of its id; "" where nothing is needed. */
  readonly marks: ReadonlyMap<string, string>;
  /** What a job is called where it stands alone, in a title or a word about it: "pi · lr=0.05". */
  titleOf(job: Pick<JobSummary, 'id' | 'name'>): string;
  /** Jobs of one notebook that are not over, newest first. */
  unfinishedOf(notebook: string): readonly JobSummary[];
  /** Takes an answer of the server into the list before the socket tells it. */
  put(job: JobSummary): void;
  /** Takes a deleted job out of the list before the socket tells it. */
  drop(id: string): void;
  /** Keeps the list up to date until the returned disposable is disposed. */
  follow(): IDisposable;
  /** Reads the list, unless it is known. */
  load(): Promise<void>;
  /** Reads the list again. */
  refresh(): Promise<void>;
  readonly changed: ISignal<IJobs, IJobsChange>;
  /** `isReady` or `error` changed. */
  readonly stateChanged: ISignal<IJobs, void>;
}

export const IJobs = new Token<IJobs>('mlk-jupyter:IJobs', 'The jobs that the server knows.');

/**
 * The kernels of this server and what becomes of them: kept up to date while one runs or somebody looks.
 *
 * Who has no kernel, or a server that watches none, costs nothing.
 */
export interface IKernels {
  /** The same array, and the same objects in it, as long as nothing changed. */
  readonly kernels: readonly KernelState[];
  /** Those that were stopped and whose notice nobody took away yet; the newest first. */
  readonly stopped: readonly Stopped[];
  /** null before the first answer. */
  readonly totals: IdleTotals | null;
  /** null before the first answer. */
  readonly policy: PolicyView | null;
  readonly currency: string;
  /** A person's own limits that hold on the server; null before the first answer. */
  readonly settings: IdleSettings | null;
  /** When this whole server is to be stopped, in seconds since the epoch, and why; null: it is not. */
  readonly serverEnd: { readonly at: number; readonly words: string } | null;
  /** When this person's server before this one stopped itself, and why; null: it did not, or that was seen. */
  readonly serverEnded: string | null;
  /** Whether the first answer is there. */
  readonly isReady: boolean;
  /** Why they cannot be read, if so. */
  readonly error: ApiError | null;
  /** Seconds since the epoch by the clock of the server. */
  now(): number;
  get(id: string): KernelState | undefined;
  /** Keeps it from being stopped for so long from now on. Raises: ApiError. */
  keep(id: string, seconds: number, reason?: string): Promise<void>;
  /** Ends what keeps it. Raises: ApiError. */
  release(id: string): Promise<void>;
  /** Stops it, whatever it does. Raises: ApiError. */
  stop(id: string): Promise<void>;
  /** Why it is in its state. Raises: ApiError. */
  explain(id: string): Promise<Explained>;
  /** Takes the notice of a stopped one away, in every window. Raises: ApiError. */
  dismiss(id: string): Promise<void>;
  /** Takes away how the server before this one ended. Raises: ApiError. */
  dismissServerEnded(): Promise<void>;
  /** Tells that a person is at a window that shows these kernels. */
  present(ids: readonly string[], kind: 'pointer' | 'key'): Promise<void>;
  /** Keeps them up to date until the returned disposable is disposed. */
  follow(): IDisposable;
  /** Reads them again. */
  refresh(): Promise<void>;
  /** Anything above changed. */
  readonly changed: ISignal<IKernels, void>;
  /** One is about to be stopped; also told of those that are when the window opens. */
  readonly warned: ISignal<IKernels, KernelState>;
  /** One was stopped since this window last heard; those before it are in `stopped`. */
  readonly ended: ISignal<IKernels, Stopped>;
}

export const IKernels = new Token<IKernels>(
  'mlk-jupyter:IKernels',
  'The kernels of this server, and what becomes of them.'
);

/** The accelerators of every place, who holds them and what they do: kept up to date while somebody looks. */
export interface IGpus {
  /** null before the first answer. Nodes of which nothing changed stay the same objects. */
  readonly gpus: Gpus | null;
  /** Why they cannot be read, if so. */
  readonly error: ApiError | null;
  /** Seconds since the epoch by the clock of the server. */
  now(): number;
  /** Advice that a person has taken away and may still put back. */
  readonly dismissed: ReadonlySet<string>;
  /** Takes an advice away for a month; the server hears of it a little later. */
  dismiss(id: string): void;
  /** Puts it back, while it is in `dismissed`. */
  restore(id: string): void;
  /** Keeps them up to date until the returned disposable is disposed. */
  follow(): IDisposable;
  /** Reads them again. */
  refresh(): Promise<void>;
  /** Anything above changed. */
  readonly changed: ISignal<IGpus, void>;
}

export const IGpus = new Token<IGpus>(
  'mlk-jupyter:IGpus',
  'The accelerators of every place, who holds them, and what they do.'
);
