import type { TranslationBundle } from '@jupyterlab/translation';
import { caretDownIcon, caretUpIcon, HTMLSelect } from '@jupyterlab/ui-components';

import { IconButton } from '../components';

export interface ILogBarProps {
  ranks: readonly number[];
  rank: number;
  /** Why there is no text, in words; null when there is some. */
  note: string | null;
  hasOlder: boolean;
  following: boolean;
  trans: TranslationBundle;
  onRank: (rank: number) => void;
  onOlder: () => void;
  onEnd: () => void;
  /** What is looked for, how often it stands there, and which of the places was gone to, from 1. */
  query: string;
  places: { readonly current: number; readonly count: number };
  onQuery: (query: string) => void;
  onFind: (direction: 1 | -1) => void;
  onDownload: () => void;
}

/** What can be done with a log: choose the rank, find, load older text, go to the end, keep it. */
export function LogBar(props: ILogBarProps): JSX.Element {
  const { ranks, rank, trans } = props;
  return (
    <div className="mlk-Bar" role="group" aria-label={trans.__('Log of a process')}>
      {ranks.length > 1 && (
        <label className="mlk-Bar-label">
          {trans.__('Rank')}
          <HTMLSelect
            className="mlk-Bar-select"
            value={rank}
            onChange={event => props.onRank(Number(event.target.value))}
          >
            {ranks.map(each => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </HTMLSelect>
        </label>
      )}
      <Find {...props} />
      {props.note && <span className="mlk-Bar-note">{props.note}</span>}
      <span className="mlk-Bar-space" />
      {props.hasOlder && (
        <button type="button" className="mlk-Button" onClick={props.onOlder}>
          {trans.__('Load older')}
        </button>
      )}
      {!props.following && (
        <button type="button" className="mlk-Button" onClick={props.onEnd}>
          {trans.__('Jump to end')}
        </button>
      )}
      <button type="button" className="mlk-Button" onClick={props.onDownload}>
        {trans.__('Download')}
      </button>
    </div>
  );
}

function Find({ query, places, trans, onQuery, onFind }: ILogBarProps): JSX.Element {
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      onFind(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape' && query) {
      event.preventDefault();
      onQuery('');
    }
  };
  return (
    <span className="mlk-Bar-find" role="search">
      <input
        type="search"
        className="mlk-Input"
        aria-label={trans.__('Find in the text shown')}
        placeholder={trans.__('Find')}
        title={trans.__('Enter goes to the next place, Shift Enter to the one before')}
        value={query}
        onChange={event => onQuery(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {query && (
        <>
          <IconButton
            icon={caretUpIcon}
            label={trans.__('To the place before')}
            refused={places.count === 0 ? trans.__('Not found') : null}
            onClick={() => onFind(-1)}
          />
          <IconButton
            icon={caretDownIcon}
            label={trans.__('To the next place')}
            refused={places.count === 0 ? trans.__('Not found') : null}
            onClick={() => onFind(1)}
          />
        </>
      )}
      <span className="mlk-Bar-place" role="status">
        {query && placesText(places, trans)}
      </span>
    </span>
  );
}

function placesText({ current, count }: ILogBarProps['places'], trans: TranslationBundle): string {
  if (count === 0) {
    return trans.__('not found');
  }
  return current > 0
    ? trans.__('%1 of %2', current, count)
    : trans._n('%1 place', '%1 places', count);
}
