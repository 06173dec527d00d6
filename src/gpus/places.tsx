import type { TranslationBundle } from '@jupyterlab/translation';
import { memo, useState } from 'react';

import type { GpuDevice, GpuHolder, GpuNode, GpuPlace, GpuProduct } from '../api';
import { Sparkline } from '../charts';
import { figure, money } from '../components';
import { Holders } from './mine';
import type { IGpuActions } from './mine';
import { busyText, memoryText, nodeText, resourceText, stretchesOf } from './words';

export interface IPlaceProps {
  place: GpuPlace;
  currency: string;
  /** Seconds since the epoch, to the minute: nodes of which nothing changed are not drawn again within it. */
  now: number;
  actions: IGpuActions;
  trans: TranslationBundle;
}

/** So many nodes are shown until all are asked for. */
const FEW_NODES = 20;
/** What the values of a sparkline lie between. */
const SHARE = [0, 1] as const;

/** The GPUs of one place: a bar for each product, then its nodes, then where the figures come from. */
export const Place = (props: IPlaceProps): JSX.Element => {
  const { place, currency, trans } = props;
  const { products, nodes, title, is_whole: isWhole, why, hint } = place;
  const idle = place.unallocated_per_hour;
  return (
    <section className="mlk-GpuPlace" aria-label={title}>
      <h3 className="mlk-Gpus-heading">{title}</h3>
      {(!isWhole || why) && (
        <p className="mlk-Gpus-warning" role="note">
          {why ?? trans.__('Not everything here is known.')}{' '}
          {hint && <span className="mlk-Gpus-hint">{hint}</span>}
        </p>
      )}
      {products.map(product => (
        <Bar key={product.product} product={product} trans={trans} />
      ))}
      {products.length === 0 && !why && <p className="mlk-Gpus-hint">{noneText(place, trans)}</p>}
      {idle !== null && idle > 0 && (
        <p className="mlk-Gpus-hint">
          {trans.__('What nobody holds costs %1/h.', money(idle, currency))}
        </p>
      )}
      {nodes.length > 0 && <Nodes {...props} />}
      <Sources {...props} />
    </section>
  );
};

function noneText({ backend }: GpuPlace, trans: TranslationBundle): string {
  return backend === 'local'
    ? trans.__(
        'This machine has no GPU that its driver shows. If it should have one, see whether “nvidia-smi” works in a terminal; jobs that need GPUs can run in a cluster.'
      )
    : trans.__('No node here has accelerators, or their device plugin does not run.');
}

/** What of a product is used, held for nothing, and free; in words beside it. */
const Bar = ({
  product,
  trans
}: {
  product: GpuProduct;
  trans: TranslationBundle;
}): JSX.Element => {
  const stretches = stretchesOf(product, trans);
  const words = stretches.map(({ text }) => text).join(', ');
  return (
    <div className="mlk-GpuBar">
      <div className="mlk-GpuBar-title">
        <span>{product.product}</span> <span>{trans.__('%1 in all', product.total)}</span>
      </div>
      <div
        className="mlk-GpuBar-bar"
        role="img"
        aria-label={`${product.product}: ${words}`}
        title={words}
      >
        {stretches.map(({ kind, count }) => (
          <span
            key={kind}
            className="mlk-GpuBar-part"
            data-kind={kind}
            style={{ flexGrow: count }}
          />
        ))}
      </div>
      <div className="mlk-GpuBar-words" aria-hidden="true">
        {words}
      </div>
    </div>
  );
};

/** The nodes of a place, drawn once they are unfolded. */
const Nodes = ({ place, ...rest }: IPlaceProps): JSX.Element => {
  const { trans } = rest;
  const [isOpen, setOpen] = useState(false);
  const [showsAll, setAll] = useState(false);
  const { nodes } = place;
  const shown = showsAll ? nodes : nodes.slice(0, FEW_NODES);
  return (
    <details
      className="mlk-Gpus-fold"
      open={isOpen}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>{trans._n('%1 node', '%1 nodes', nodes.length)}</summary>
      {isOpen && (
        <ul role="list" aria-label={trans.__('Nodes of %1', place.title)}>
          {shown.map(node => (
            <Node key={node.name} node={node} {...rest} />
          ))}
        </ul>
      )}
      {isOpen && shown.length < nodes.length && (
        <button type="button" className="mlk-TextButton" onClick={() => setAll(true)}>
          {trans.__('Show all %1 nodes', nodes.length)}
        </button>
      )}
    </details>
  );
};

interface INodeProps extends Omit<IPlaceProps, 'place'> {
  node: GpuNode;
}

const Node = memo((props: INodeProps): JSX.Element => {
  const { node, currency, now, actions, trans } = props;
  const holders = new Map(node.holders.map(holder => [holder.id, holder]));
  return (
    <li className="mlk-GpuNode">
      <div>
        <strong>{node.name}</strong> <span className="mlk-Gpus-hint">{nodeText(node, trans)}</span>
      </div>
      {node.resources.map(resource => (
        <div key={resource.name} title={resource.price_words ?? ''}>
          {resourceText(resource, currency, trans)}
        </div>
      ))}
      {node.holders.length > 0 && (
        <Holders
          holders={node.holders}
          label={trans.__('Who holds GPUs of %1', node.name)}
          currency={currency}
          now={now}
          actions={actions}
          trans={trans}
        />
      )}
      {node.devices.length > 0 && (
        <ul role="list" className="mlk-GpuDevices" aria-label={trans.__('GPUs of %1', node.name)}>
          {node.devices.map(device => (
            <Device key={device.id} device={device} holders={holders} now={now} trans={trans} />
          ))}
        </ul>
      )}
    </li>
  );
});
Node.displayName = 'GpuNode';

interface IDeviceProps {
  device: GpuDevice;
  holders: ReadonlyMap<string, GpuHolder>;
  now: number;
  trans: TranslationBundle;
}

const Device = ({ device, holders, now, trans }: IDeviceProps): JSX.Element => {
  const { id, product, profile, state, busy, memory, power_w: power, history } = device;
  const names = device.holders.map(holder => holders.get(holder)?.name ?? holder);
  const facts = [
    busyText(busy, now, trans),
    memoryText(memory, device.memory_total_bytes, trans),
    power && trans.__('%1 W', figure(Math.round(power.value), trans)),
    names.length > 0 ? names.join(', ') : stateWord(state, trans)
  ];
  return (
    <li className="mlk-GpuDevice" data-state={state}>
      <span className="mlk-GpuDevice-name" title={id}>
        {[product, profile].filter(Boolean).join(' · ') || id}
      </span>
      <Sparkline
        points={history.map((value, minute) => ({ step: null, at: minute * 60, value }))}
        range={SHARE}
      />
      <span className="mlk-GpuDevice-facts">{facts.filter(Boolean).join(' · ')}</span>
    </li>
  );
};

function stateWord(state: GpuDevice['state'], trans: TranslationBundle): string {
  switch (state) {
    case 'held':
      return trans.__('held, by whom is unknown');
    case 'free':
      return trans.__('free');
    case 'outside':
      return trans.__('used past the scheduler');
    case 'unknown':
      return trans.__('held or free: unknown');
  }
}

/** Where the figures come from; what is missing is said at once, the rest on request. */
const Sources = ({ place: { sources, products }, trans }: IPlaceProps): JSX.Element | null => {
  if (sources.length === 0) {
    return null;
  }
  const isBlind = products.some(({ used }) => used === null) && !sources.some(each => each.answers);
  return (
    <>
      {isBlind && (
        <p className="mlk-Gpus-warning" role="note">
          {trans.__('Nothing measures what these GPUs do: held is known, used is not.')}
        </p>
      )}
      <details className="mlk-Gpus-fold">
        <summary>{trans.__('Where the figures come from')}</summary>
        <ul role="list">
          {sources.map(({ name, answers, why, hint }) => (
            <li key={name}>
              {answers ? trans.__('%1: answers', name) : trans.__('%1: does not answer', name)}
              {why && ` · ${why}`} {hint && <span className="mlk-Gpus-hint">{hint}</span>}
            </li>
          ))}
        </ul>
      </details>
    </>
  );
};
