import type { TranslationBundle } from '@jupyterlab/translation';

import { ErrorBanner } from '../components';
import type { IPreview } from './model';

export interface IPreviewProps {
  /** Null while it is folded. */
  preview: IPreview | null;
  onLook: (isPreviewing: boolean) => void;
  onCopy: (text: string) => void;
  trans: TranslationBundle;
}

/** The objects that would be created in the cluster, to read and to copy. */
export const Preview = ({ preview, onLook, onCopy, trans }: IPreviewProps): JSX.Element => {
  const yaml = preview?.yaml;
  return (
    <details
      className="mlk-Preview"
      open={preview !== null}
      onToggle={event => {
        if (event.currentTarget.open !== (preview !== null)) {
          onLook(event.currentTarget.open);
        }
      }}
    >
      <summary>{trans.__('What will be created')}</summary>
      {preview?.error && <ErrorBanner error={preview.error} trans={trans} />}
      {preview && !preview.error && typeof yaml !== 'string' && (
        <p className="mlk-Submit-waiting">{trans.__('Writing it down.')}</p>
      )}
      {typeof yaml === 'string' && (
        <>
          <button type="button" className="mlk-Button" onClick={() => onCopy(yaml)}>
            {trans.__('Copy the YAML')}
          </button>
          <pre tabIndex={0} role="region" aria-label={trans.__('YAML, as for kubectl apply')}>
            {yaml}
          </pre>
        </>
      )}
    </details>
  );
};
