import { Sanitizer } from '@jupyterlab/apputils';
import { describe, expect, it } from 'vitest';

import { Replay } from '../replay';
import { STATE, WidgetModels } from '../widgetmodels';
import { drawWidget } from '../widgetview';

const sanitizer = new Sanitizer();

function models(states: Record<string, Record<string, unknown>>): WidgetModels {
  const found = new WidgetModels({});
  for (const [id, state] of Object.entries(states)) {
    found.apply(id, state, []);
  }
  return found;
}

const BAR = {
  box: { _model_name: 'HBoxModel', children: ['IPY_MODEL_bar', 'IPY_MODEL_text', 7] },
  bar: { _model_name: 'FloatProgressModel', value: 5, max: 10, bar_style: 'info' },
  text: {
    _model_name: 'HTMLModel',
    value: '<b>50%</b><script>alert(1)</script>',
    layout: 'IPY_MODEL_l'
  },
  l: { _model_name: 'LayoutModel', display: 'none' }
};

describe('drawWidget', () => {
  it('draws a bar and its words, without what could act', () => {
    const node = drawWidget('box', models(BAR), sanitizer)!;
    const bar = node.querySelector('progress')!;
    expect([bar.value, bar.max, bar.dataset.style]).toEqual([5, 10, 'info']);
    expect(node.querySelector('b')?.textContent).toBe('50%');
    expect(node.querySelector('script')).toBeNull();
    expect(node.querySelector<HTMLElement>('[hidden]')?.textContent).toBe('50%');
  });

  it('draws what an Output captured, and a widget in it', () => {
    const outputs = [
      { output_type: 'stream', name: 'stdout', text: 'inside\n' },
      {
        output_type: 'display_data',
        metadata: {},
        data: {
          'application/vnd.jupyter.widget-view+json': { model_id: 'bar' },
          'text/plain': 'FloatProgress()'
        }
      },
      { output_type: 'display_data', metadata: {}, data: { 'text/html': '<img src=x onerror=y>' } },
      { output_type: 'error', ename: 'E', evalue: 'e', traceback: 'no list' }
    ];
    const found = models({ ...BAR, box: { _model_name: 'OutputModel', outputs } });
    const node = drawWidget('box', found, sanitizer)!;
    expect(node.textContent).toContain('inside');
    expect(node.querySelector('progress')).not.toBeNull();
    expect(node.querySelector('[onerror]')).toBeNull();
  });

  it('ends where widgets hold each other', () => {
    const loop = { _model_name: 'VBoxModel', children: ['IPY_MODEL_a', 'IPY_MODEL_a'] };
    expect(drawWidget('a', models({ a: loop }), sanitizer)).not.toBeNull();
  });

  it.each([
    [{ _model_name: 'IntSliderModel', description: 'n', value: 3 }, 'n3'],
    [{ _model_name: 'DropdownModel', _options_labels: ['a', 'b'], index: 1 }, 'b'],
    [{ _model_name: 'ButtonModel', description: 'Go' }, 'Go'],
    [{ value: null }, ''],
    [{ _model_name: 7, children: 'none', value: { deep: 1 } }, '{"deep":1}']
  ])('says what %j is set to', (state, said) => {
    expect(drawWidget('a', models({ a: state }), sanitizer)?.textContent).toBe(said);
  });

  it('knows nothing of a widget that was never told of', () => {
    expect(drawWidget('gone', models(BAR), sanitizer)).toBeNull();
  });
});

describe('the widgets of a replay', () => {
  it('begin with the metadata and follow the frames of rank 0', () => {
    const state = {
      a: { state: { value: 1, kept: 2 }, buffers: [{ path: ['png'], data: 'eA==' }] }
    };
    const notebook = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { widgets: { [STATE]: { state } } },
      cells: []
    };
    const replay = new Replay(notebook as never, null);
    const frame = { kind: 'widget', comm_id: 'a', state: { value: 3 }, buffers: [] };
    expect(replay.apply({ ...frame, rank: 0 })).toEqual([{ kind: 'widgets' }]);
    expect(replay.apply({ ...frame, rank: 1, state: { value: 4 } })).toEqual([]);
    expect(replay.apply({ kind: 'widget', rank: 0, comm_id: 1, state: 5 })).toEqual([]);
    expect(replay.widgets.state('a')).toEqual({ value: 3, kept: 2 });
    expect(replay.widgets.buffer('a', 'png')).toBe('eA==');
  });

  it.each([null, 5, { [STATE]: 5 }, { [STATE]: { state: [1] } }])(
    'begin empty with %j',
    widgets => {
      expect(new WidgetModels({ widgets } as never).state('a')).toBeNull();
    }
  );
});
