import { Sanitizer } from '@jupyterlab/apputils';
import { MimeModel } from '@jupyterlab/rendermime';
import { Signal } from '@lumino/signaling';
import { describe, expect, it } from 'vitest';

import { Replay } from '../replay';
import { STATE, VIEW, WidgetModels } from '../widgetmodels';
import { drawWidget, WidgetView } from '../widgetview';
import type { IWidgetSource } from '../widgetview';

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
      { output_type: 'error', ename: 'E', evalue: 'e', traceback: 'no list' },
      { output_type: 'error', traceback: [{ toString: 1, valueOf: 1 }, 'raised'] },
      { output_type: 'display_data', data: 'no bundle' },
      { output_type: 'display_data', data: { 'text/plain': 'last' } },
      null,
      'no output'
    ];
    const found = models({ ...BAR, box: { _model_name: 'OutputModel', outputs } });
    const node = drawWidget('box', found, sanitizer)!;
    expect(node.textContent).toContain('inside');
    expect(node.textContent).toContain('raised');
    expect(node.textContent).toContain('last');
    expect(node.querySelector('progress')).not.toBeNull();
    expect(node.querySelector('[onerror]')).toBeNull();
  });

  it('ends where widgets hold each other', () => {
    const loop = { _model_name: 'VBoxModel', children: ['IPY_MODEL_a', 'IPY_MODEL_a'] };
    expect(drawWidget('a', models({ a: loop }), sanitizer)).toBeNull();
  });

  it.each([
    [{ _model_name: 'IntSliderModel', description: 'n', value: 3 }, 'n3'],
    [{ _model_name: 'DropdownModel', _options_labels: ['a', 'b'], index: 1 }, 'b'],
    [{ _model_name: 'ButtonModel', description: 'Go' }, 'Go'],
    [{ value: null }, ''],
    [{ _model_name: 'PasswordModel', description: 'key', value: 'secret' }, 'key••••••••'],
    [{ _model_name: 'PasswordModel', value: '' }, ''],
    [{ _model_name: 'VBoxModel', children: [] }, ''],
    [{ _model_name: 7, children: 'none', value: { deep: 1 } }, '{"deep":1}']
  ])('says what %j is set to', (state, said) => {
    expect(drawWidget('a', models({ a: state }), sanitizer)?.textContent).toBe(said);
  });

  it.each([
    [{ _model_name: 'FigureModel', _data: [], _layout: {} }],
    [{ _model_name: 'VBoxModel', children: ['IPY_MODEL_map'] }]
  ])('says nothing where only code of its own could draw: %j', state => {
    const map = { _model_name: 'LeafletMapModel', center: [0, 0] };
    expect(drawWidget('a', models({ a: state, map }), sanitizer)).toBeNull();
  });

  it('gives a bar a name: its own, or what stands beside it', () => {
    const named = (...states: Record<string, unknown>[]) => {
      const all = Object.fromEntries(states.map((state, at) => [`${at}`, state]));
      const children = states.map((_, at) => `IPY_MODEL_${at}`);
      const found = models({ ...all, box: { _model_name: 'HBoxModel', children } });
      return drawWidget('box', found, sanitizer)!.querySelector('progress')!;
    };
    const bar = { _model_name: 'FloatProgressModel', description: '', value: 5 };
    const words = { _model_name: 'HTMLModel', value: 'epoch 1: ' };
    expect(named(words, bar).getAttribute('aria-label')).toBe('epoch 1:');
    expect(named(words, { ...bar, description: 'rows' }).getAttribute('aria-label')).toBe('rows');
    expect(named(bar).hasAttribute('aria-label')).toBe(false);
  });

  it('draws a bar whose ends are as far as can be', () => {
    const far = { _model_name: 'FloatProgressModel', min: -1e308, max: 1e308, value: 1e308 };
    expect(drawWidget('a', models({ a: far }), sanitizer)?.tagName).toBe('PROGRESS');
  });

  it('knows nothing of a widget that was never told of', () => {
    expect(drawWidget('gone', models(BAR), sanitizer)).toBeNull();
  });
});

describe('an output that is a widget', () => {
  it.each([
    [{ 'text/plain': ['Figure', 'Widget()'] }, 'FigureWidget()'],
    [{ 'text/plain': 'Map()', 'text/html': '<b>a map</b><script>x</script>' }, 'a map']
  ])('is what else it has, %j, where the widget cannot be drawn', async (data, shown) => {
    const source = {
      models: models({ a: { _model_name: 'FigureModel' } }),
      changed: new Signal({})
    };
    const view = new WidgetView(source as IWidgetSource, sanitizer);
    await view.renderModel(new MimeModel({ data: { [VIEW]: { model_id: 'a' }, ...data } }));
    expect(view.node.textContent?.trim()).toBe(shown);
    expect(view.node.querySelector('script')).toBeNull();
    view.dispose();
  });
});

describe('the state of widgets', () => {
  const large = 'x'.repeat(20 * 1024 * 1024);

  it('has room for as many updates as come: what is replaced counts no more', () => {
    const found = new WidgetModels({});
    const buffers = [{ path: ['value'], data: large }];
    for (let step = 0; step < 8; step++) {
      expect(found.apply('a', { step }, buffers)).toBe(true);
    }
    expect(found.state('a')).toEqual({ step: 7 });
  });

  it('leaves out what there is no room for, and goes on with what is smaller', () => {
    const found = new WidgetModels({});
    const names = ['a', 'b', 'c', 'd'];
    expect(names.map(id => found.apply(id, { text: large, step: 0 }, []))).toContain(true);
    expect(names.map(id => Object.keys(found.state(id) ?? {}))).toEqual([
      ['text', 'step'],
      ['text', 'step'],
      ['text', 'step'],
      ['step']
    ]);
    found.apply('a', { text: '' }, []);
    found.apply('d', { text: large }, []);
    expect(found.state('d')?.text).toBe(large);
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
