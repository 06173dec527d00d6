import { Clipboard, Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { copyIcon } from '@jupyterlab/ui-components';
import { useState } from 'react';

import type { Explained, KernelState } from '../api';
import { told } from '../components';
import { LoopDialog } from '../components/loop';
import type { IKernels } from '../tokens';
import { asText, limitRows, signalRows } from './explained';
import type { IRow } from './explained';
import { nameOf } from './words';

/** Shows why a kernel is in its state, until the person has read it. */
export async function showWhy(
  kernel: KernelState,
  kernels: Pick<IKernels, 'explain'>,
  trans: TranslationBundle
): Promise<void> {
  await told(trans.__('%1 could not be explained', nameOf(kernel)), trans, async () => {
    const explained = await kernels.explain(kernel.id);
    const title = trans.__('Why: %1', nameOf(kernel));
    const dialog = new LoopDialog({
      title,
      body: ReactWidget.create(
        <Why
          explained={explained}
          onCopy={() => Clipboard.copyToSystem(asText(explained, trans))}
          trans={trans}
        />
      ),
      buttons: [Dialog.okButton({ label: trans.__('Close') })],
      hasClose: true
    });
    dialog.addClass('mlk-WhyDialog');
    dialog.node.setAttribute('aria-label', title); // JupyterLab names a dialog only where its body is text
    await dialog.launch();
  });
}

export interface IWhyProps {
  explained: Explained;
  onCopy: () => void;
  trans: TranslationBundle;
}

/** Sentences first, then all that they follow from. */
export const Why = ({ explained, onCopy, trans }: IWhyProps): JSX.Element => {
  const [isCopied, setCopied] = useState(false);
  return (
    <div className="mlk-Why" tabIndex={0} role="region" aria-label={trans.__('Why')}>
      <ol className="mlk-Why-sentences">
        {explained.sentences.map(sentence => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ol>
      <Table
        title={trans.__('What is known')}
        heads={[trans.__('Signal'), trans.__('Value'), trans.__('Since, or why unknown')]}
        rows={signalRows(explained.signals, trans)}
      />
      <Table
        title={trans.__('Limits')}
        heads={[trans.__('Limit'), trans.__('Value'), trans.__('Set by')]}
        rows={limitRows(explained, trans)}
      />
      <div className="mlk-Why-copy">
        <button
          type="button"
          className="mlk-Button"
          onClick={() => {
            onCopy();
            setCopied(true);
          }}
        >
          <copyIcon.react tag="span" width="14px" height="14px" />
          {trans.__('Copy as text')}
        </button>
        <span role="status">{isCopied ? trans.__('Copied') : ''}</span>
      </div>
    </div>
  );
};

interface ITableProps {
  title: string;
  heads: readonly [string, string, string];
  rows: readonly IRow[];
}

const Table = ({ title, heads, rows }: ITableProps): JSX.Element => (
  <table>
    <caption>{title}</caption>
    <thead>
      <tr>
        {heads.map(head => (
          <th key={head} scope="col">
            {head}
          </th>
        ))}
      </tr>
    </thead>
    <tbody>
      {rows.map(({ name, value, note }) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          <td>{value}</td>
          <td>{note}</td>
        </tr>
      ))}
    </tbody>
  </table>
);
