import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import { useState } from 'react';

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
  /** Goes to the next place; gives its number and how many there are. */
  onFind: (query: string, direction: 1 | -1) => readonly [number, number];
  onDownload: () => void;
}

/** What can be done with a log: choose the rank, find, load older text, go to the end, keep it. */
export function LogBar(props: ILogBarProps): JSX.Element {
  const { ranks, rank, trans } = props;
  return (
    <div className="mlk-Bar" role="group" aria-label={trans.__('Log of a rank')}>
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

function Find({ trans, onFind }: ILogBarProps): JSX.Element {
  const [query, setQuery] = useState('');
  const [place, setPlace] = useState<readonly [number, number] | null>(null);
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'Enter' && query) {
      event.preventDefault();
      setPlace(onFind(query, event.shiftKey ? -1 : 1));
    }
  };
  return (
    <span className="mlk-Bar-find">
      <input
        type="search"
        className="mlk-Input"
        aria-label={trans.__('Find in the text shown')}
        placeholder={trans.__('Find')}
        title={trans.__('Enter goes to the next place, Shift Enter to the one before')}
        value={query}
        onChange={event => {
          setQuery(event.target.value);
          setPlace(null);
        }}
        onKeyDown={onKeyDown}
      />
      <span className="mlk-Bar-place" role="status">
        {place && (place[1] === 0 ? trans.__('not found') : trans.__('%1 of %2', ...place))}
      </span>
    </span>
  );
}
