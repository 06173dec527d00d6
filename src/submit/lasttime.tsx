import type { TranslationBundle } from '@jupyterlab/translation';

import type { BackendInfo, Form } from '../api';
import { inWords } from './differences';
import type { IDifference } from './differences';
import { shortTitle } from './values';

export interface ILastTimeProps {
  last: readonly IDifference[];
  /** Where it ran the last time, where another place is chosen now. */
  place: BackendInfo | undefined;
  form: Form;
  disabled: boolean;
  onUse: () => void;
  trans: TranslationBundle;
}

/** What was used last and is not filled in, above the form: it never wins by itself. */
export const LastTime = (props: ILastTimeProps): JSX.Element => {
  const { last, place, form, disabled, onUse, trans } = props;
  const words = last.map(each => {
    const { field } = each;
    return trans.__('%1 %2', shortTitle(field, form), inWords(each, trans));
  });
  const shown = [...(place ? [place.title] : []), ...words];
  const text = shown.slice(0, SHOWN).join(' · ');
  const more = shown.length - SHOWN;
  return (
    <p className="mlk-LastTime">
      <span>
        {trans.__('Last used: %1', text)}
        {more > 0 && ` ${trans._n('and %1 more', 'and %1 more', more)}`}
      </span>{' '}
      <button type="button" className="mlk-TextButton" disabled={disabled} onClick={onUse}>
        {trans.__('Use all of it')}
      </button>
    </p>
  );
};

/** Values that are named. */
const SHOWN = 4;
