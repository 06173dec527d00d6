import type { TranslationBundle } from '@jupyterlab/translation';

import type { ErrorBody } from '../api';

export interface IErrorBannerProps {
  error: Pick<ErrorBody, 'title' | 'detail' | 'hint'>;
  trans: TranslationBundle;
  onRetry?: () => void;
}

/** What happened, why, and what to do next; where it happened. */
export const ErrorBanner = ({ error, trans, onRetry }: IErrorBannerProps): JSX.Element => (
  <div className="mlk-ErrorBanner" role="alert">
    <strong className="mlk-ErrorBanner-title">{error.title}</strong>
    <span>{error.detail}</span>
    {error.hint && <span className="mlk-ErrorBanner-hint">{error.hint}</span>}
    {onRetry && (
      <button type="button" className="mlk-Button" onClick={onRetry}>
        {trans.__('Retry')}
      </button>
    )}
  </div>
);
