import { Dialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { folderIcon, notebookIcon, pythonIcon, ReactWidget } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import { useEffect, useId, useRef, useState } from 'react';
import type { ReactNode, RefObject } from 'react';

import { ApiError } from '../api';
import { ErrorBanner } from '../components';
import { canRun } from './document';
import { LoopDialog } from '../components/loop';
import { Path } from './path';

export interface IChooseOptions {
  /** Paths of documents that are open, and of those of late. */
  open: readonly string[];
  recent: readonly string[];
  /** The folder to begin with. */
  folder: string;
  /** What is in a folder. Raises: whatever the server says. */
  list: (folder: string) => Promise<readonly IEntry[]>;
  trans: TranslationBundle;
}

export type IEntry = Pick<Contents.IModel, 'path' | 'name' | 'type'>;

/** Asks which notebook or script to run. Gives its path, or null when the person changed their mind. */
export async function choose(options: IChooseOptions): Promise<string | null> {
  const { trans } = options;
  let chosen: string | null = null;
  const dialog = new LoopDialog({
    title: trans.__('Run as a job: which notebook or script?'),
    body: ReactWidget.create(
      <Choice
        {...options}
        onChoose={path => {
          chosen = path;
          dialog.reject();
        }}
      />
    ),
    buttons: [Dialog.cancelButton()],
    focusNodeSelector: '.mlk-Choice button',
    hasClose: true
  });
  dialog.addClass('mlk-SubmitDialog');
  await dialog.launch();
  return chosen;
}

export interface IChoiceProps extends IChooseOptions {
  onChoose: (path: string) => void;
}

/** What is open, what was of late, and a folder to walk from. */
export const Choice = (props: IChoiceProps): JSX.Element => {
  const { open, recent, list, onChoose, trans } = props;
  const [folder, setFolder] = useState(props.folder);
  const [entries, setEntries] = useState<readonly IEntry[] | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const hasWalked = useRef(false);
  const rows = useRef<HTMLUListElement>(null);
  useEffect(() => {
    let isAsked = true;
    list(folder).then(
      found => isAsked && setEntries(found),
      (reason: unknown) => isAsked && setError(ApiError.from(reason, trans))
    );
    return () => {
      isAsked = false;
    };
  }, [folder, list, trans]);
  useEffect(() => {
    if (hasWalked.current && (entries || error)) {
      (rows.current?.querySelector('button') ?? rows.current)?.focus(); // the button that was pressed is gone
    }
  }, [entries, error]);
  const walk = (path: string): void => {
    hasWalked.current = true;
    setEntries(null);
    setError(null);
    setFolder(path);
  };
  const others = recent.filter(path => !open.includes(path));
  const inFolder = entries ?? [];
  const folders = inFolder.filter(({ type }) => type === 'directory');
  const files = inFolder.filter(({ type, path }) => type !== 'directory' && canRun(path));
  return (
    <div className="mlk-Choice">
      {open.length > 0 && (
        <Group title={trans.__('Open')}>
          {open.map(path => (
            <File key={path} path={path} onChoose={onChoose} />
          ))}
        </Group>
      )}
      {others.length > 0 && (
        <Group title={trans.__('Recent')}>
          {others.map(path => (
            <File key={path} path={path} onChoose={onChoose} />
          ))}
        </Group>
      )}
      <Group title={trans.__('In the folder %1', `/${folder}`)} rows={rows}>
        {folder && (
          <Row
            icon={folderIcon}
            name={trans.__('.. (the folder above)')}
            onClick={() => walk(PathExt.dirname(folder))}
          />
        )}
        {folders.map(({ path, name }) => (
          <Row key={path} icon={folderIcon} name={`${name}/`} onClick={() => walk(path)} />
        ))}
        {files.map(({ path, name }) => (
          <Row key={path} icon={iconOf(path)} name={name} onClick={() => onChoose(path)} />
        ))}
        {!entries && !error && <li className="mlk-Submit-waiting">{trans.__('Reading it.')}</li>}
        {entries && files.length === 0 && (
          <li className="mlk-Submit-waiting">{trans.__('No notebook or script is in it.')}</li>
        )}
      </Group>
      {error && <ErrorBanner error={error} trans={trans} />}
    </div>
  );
};

interface IGroupProps {
  title: string;
  children: ReactNode;
  /** The list of its rows. */
  rows?: RefObject<HTMLUListElement>;
}

const Group = ({ title, children, rows }: IGroupProps): JSX.Element => {
  const id = useId();
  return (
    <section>
      <h3 id={id}>{title}</h3>
      <ul aria-labelledby={id} ref={rows} tabIndex={rows && -1}>
        {children}
      </ul>
    </section>
  );
};

interface IFileProps {
  path: string;
  onChoose: (path: string) => void;
}

const File = ({ path, onChoose }: IFileProps): JSX.Element => (
  <Row
    icon={iconOf(path)}
    name={PathExt.basename(path)}
    folder={PathExt.dirname(path)}
    onClick={() => onChoose(path)}
  />
);

interface IRowProps {
  icon: LabIcon;
  name: string;
  /** The folder it is in, where that is not said above. */
  folder?: string;
  onClick: () => void;
}

const Row = ({ icon, name, folder, onClick }: IRowProps): JSX.Element => (
  <li>
    <button type="button" className="mlk-Choice-row" onClick={onClick}>
      <icon.react tag="span" width="16px" height="16px" />
      <span className="mlk-Choice-name">{name}</span>{' '}
      {folder && (
        <span className="mlk-Choice-folder">
          <Path text={folder} />
        </span>
      )}
    </button>
  </li>
);

function iconOf(path: string): LabIcon {
  return path.endsWith('.py') ? pythonIcon : notebookIcon;
}
