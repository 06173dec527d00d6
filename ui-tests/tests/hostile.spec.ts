import type { Page } from '@playwright/test';

import {
  command,
  expect,
  jobTab,
  notebook,
  open,
  phase,
  pressRun,
  row,
  run,
  showPage,
  showPanel,
  test
} from './helpers';

const ACT = 'window.owned=1';

/** Ways into a page, each in the words of some sink: elements, attributes, addresses, markup languages, terminals. */
const PAYLOADS = [
  `<script>${ACT}</script>`,
  `<SCRIPT SRC="data:text/javascript,${ACT}"></SCRIPT>`,
  `<script type="module">${ACT}</script>`,
  `</title><script>${ACT}</script>`,
  `</textarea><script>${ACT}</script>`,
  `</style><script>${ACT}</script>`,
  `--><script>${ACT}</script>`,
  `]]><script>${ACT}</script>`,
  `<scr<script>ipt>${ACT}</scr</script>ipt>`,
  `<script\u0000>${ACT}</script>`,
  `<script/x>${ACT}</script>`,
  `<img src=x onerror=${ACT}>`,
  `<img src=x onerror="${ACT}"//`,
  `<IMG SRC=x OnErRoR=${ACT}>`,
  `<img/src=x/onerror=${ACT}>`,
  `"><img src=x onerror=${ACT}>`,
  `'><img src=x onerror=${ACT}>`,
  `" onmouseover="${ACT}" x="`,
  `' onfocus='${ACT}' autofocus='`,
  `<img src="javascript:${ACT}">`,
  `<image src=x onerror=${ACT}>`,
  `<svg onload=${ACT}>`,
  `<svg><script>${ACT}</script></svg>`,
  `<svg><animate onbegin=${ACT} attributeName=x dur=1s>`,
  `<svg><a xlink:href="javascript:${ACT}"><text x=20 y=20>a</text></a></svg>`,
  `<svg><use href="data:image/svg+xml,<svg id=x onload=${ACT}>#x"></use></svg>`,
  `<svg><foreignObject><img src=x onerror=${ACT}></foreignObject></svg>`,
  `<svg><style><img src=x onerror=${ACT}></style></svg>`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${ACT}></style></mglyph></table></mtext></math>`,
  `<math href="javascript:${ACT}">a</math>`,
  `<a href="javascript:${ACT}">a</a>`,
  `<a href="java\tscript:${ACT}">a</a>`,
  `<a href="&#106;avascript:${ACT}">a</a>`,
  `<a href="data:text/html,<script>${ACT}</script>">a</a>`,
  `<a href="vbscript:${ACT}">a</a>`,
  `<base href="javascript:${ACT}//">`,
  `<iframe src="javascript:parent.${ACT}"></iframe>`,
  `<iframe srcdoc="<script>parent.${ACT}</script>"></iframe>`,
  `<object data="javascript:${ACT}"></object>`,
  `<embed src="javascript:${ACT}">`,
  `<form action="javascript:${ACT}"><button>a</button></form>`,
  `<button formaction="javascript:${ACT}">a</button>`,
  `<input autofocus onfocus=${ACT}>`,
  `<select autofocus onfocus=${ACT}></select>`,
  `<details open ontoggle=${ACT}>a</details>`,
  `<video><source onerror=${ACT}></video>`,
  `<audio src=x onerror=${ACT}></audio>`,
  `<marquee onstart=${ACT}>a</marquee>`,
  `<body onload=${ACT}>`,
  `<meta http-equiv="refresh" content="0;url=javascript:${ACT}">`,
  `<link rel="stylesheet" href="data:text/css,*{background:url(javascript:${ACT})}">`,
  `<style>@import "javascript:${ACT}";</style>`,
  `<div style="background:url(javascript:${ACT})">a</div>`,
  `<noscript><p title="</noscript><img src=x onerror=${ACT}>">`,
  `<template><img src=x onerror=${ACT}></template>`,
  `[a](javascript:${ACT})`,
  `![a](x"onerror="${ACT})`,
  `$\\href{javascript:${ACT}}{a}$`,
  `{{constructor.constructor('${ACT}')()}}`,
  `\u001b]8;;javascript:${ACT}\u0007a\u001b]8;;\u0007`,
  `\u001b[31m<img src=x onerror=${ACT}>\u001b[0m`
];

/** A job that writes the records of others, as one that runs as the same user can. */
const WRITER = `
import base64, json, shutil, time
from pathlib import Path
import mlk_jupyter

payloads = json.loads(base64.b64decode('${Buffer.from(JSON.stringify(PAYLOADS)).toString('base64')}'))
own = Path(mlk_jupyter.checkpoint_dir()).parent
status = json.loads((own / 'status.json').read_text())


def write(job_id, frames=(), log='', **fields):
    folder = own.parent / job_id
    (folder / 'logs').mkdir(parents=True)
    shutil.copy(own / 'bundle.pyz', folder)
    (folder / 'logs' / 'rank-0.log').write_text(log)
    lines = [json.dumps({'rank': 0, 'seq': seq, 'time': time.time(), **frame}) for seq, frame in enumerate(frames)]
    (folder / 'frames.jsonl').write_text(''.join(line + '\\n' for line in lines))
    said = {**status, 'id': job_id, 'phase': 'Failed', 'finished_at': time.time(), 'owner': None, **fields}
    (folder / 'spec.json').write_text(json.dumps(said['spec']))
    (folder / 'status.json').write_text(json.dumps(said))


def reason(text):
    return {'code': 'failed', 'text': text, 'hint': text}


for number, one in enumerate(payloads):
    write(
        f'hostile-{number}', name=f'hostile {one}', notebook=one, error=one, reason=reason(one), submitted_by=one,
        metrics=[{'name': one, 'value': 1.0, 'step': 1, 'at': 1.0}],
    )
outputs = [
    {'output_type': 'display_data', 'metadata': {}, 'data': {kind: one}}
    for one in payloads
    for kind in ('text/html', 'text/markdown', 'text/latex', 'image/svg+xml', 'application/javascript', 'text/plain')
]
frames = [
    {'kind': 'rank_started', 'world_size': 1, 'cells': 1},
    {'kind': 'cell_started', 'cell': 0, 'number': 1, 'count': 1},
    *({'kind': 'output', 'cell': 0, 'output': one, 'display_id': None} for one in outputs),
    *({'kind': 'stream', 'cell': 0, 'name': 'stdout', 'text': one + '\\n'} for one in payloads),
    *({'kind': 'metric', 'name': one, 'value': value, 'step': value} for one in payloads for value in (1, 2)),
    {'kind': 'output', 'cell': 0, 'display_id': None, 'output': {
        'output_type': 'error', 'ename': payloads[0], 'evalue': payloads[11], 'traceback': payloads}},
    {'kind': 'cell_finished', 'cell': 0, 'status': 'error', 'seconds': 1.0},
]
write(
    'hostile', frames, '\\n'.join(payloads), name='all of them', reason=reason(' '.join(payloads)), error=payloads[11],
    notices=payloads, world_size=len(payloads),
    ranks=[{'rank': at, 'worker': at, 'state': 'failed', 'where': one, 'last_line': one, 'why': one, 'exit_code': 1}
           for at, one in enumerate(payloads)],
    attempts=[{'number': at + 1, 'reason': reason(one)} for at, one in enumerate(payloads)],
    run={'state': 'recorded', 'text': payloads[0], 'tracking_uri': 'javascript:${ACT}', 'experiment': payloads[11],
         'run_id': 'r', 'run_name': payloads[12]},
    spec={**status['spec'], 'parameters': {one: one for one in payloads}, 'files': payloads},
)
`;

/** Nothing ran, and nothing is there that could when it is touched. */
async function expectNothingRan(page: Page, where: string): Promise<void> {
  const found = await page.evaluate(() =>
    [...document.querySelectorAll('.mlk-Panel *, .mlk-JobTab *')].flatMap(
      ({ localName, attributes }) => [
        ...(['script', 'iframe', 'object', 'embed', 'base', 'meta', 'link'].includes(localName)
          ? [localName]
          : []),
        ...[...attributes]
          .filter(
            ({ name, value }) =>
              name.startsWith('on') || /^\s*(java|vb)script:/i.test(value.replace(/[\t\n]/g, ''))
          )
          .map(({ name, value }) => `${localName} ${name}=${value}`)
      ]
    )
  );
  expect(found, where).toEqual([]);
  expect(await page.evaluate(() => 'owned' in window), where).toBe(false);
}

test('no script of a hostile job runs, wherever its words are shown', async ({ page, tmpPath }) => {
  page.on('dialog', dialog => {
    throw new Error(`A dialog opened: ${dialog.message()}`);
  });
  await open(page, tmpPath, 'writer.ipynb', notebook(WRITER));
  await expect(phase(await run(page, await pressRun(page)))).toHaveText('Succeeded');

  const panel = await showPanel(page);
  await expect(row(page, 'hostile')).toBeVisible();
  const seen = new Set<string>();
  for (let at = 0; at < 40 && seen.size < PAYLOADS.length; at += 1) {
    for (const id of await panel
      .locator('.mlk-JobRow')
      .evaluateAll(rows => rows.map(one => (one as HTMLElement).dataset.job ?? ''))) {
      if (/^hostile-\d+$/.test(id)) {
        seen.add(id);
      }
    }
    await expectNothingRan(page, 'list');
    await panel.locator('.mlk-Jobs').hover();
    await page.mouse.wheel(0, 400);
    await page.evaluate(
      () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
    );
  }
  expect(seen.size).toBe(PAYLOADS.length);

  await command(page, 'mlk:open-job', { id: 'hostile' });
  const tab = await jobTab(page);
  for (const name of ['Overview', 'Notebook', 'Log', 'Metrics']) {
    await showPage(tab, name);
    await expect(tab.getByRole('tabpanel', { name })).toContainText('window.owned');
    await expectNothingRan(page, name);
  }
  await Promise.all([...seen, 'hostile'].map(id => page.request.delete(`/mlk/jobs/${id}`)));

  // Where they are trusted they do run, and this test would see it.
  await page.evaluate(payloads => {
    for (const payload of payloads) {
      document.body.append(Object.assign(document.createElement('div'), { innerHTML: payload }));
    }
  }, PAYLOADS);
  await expect.poll(() => page.evaluate(() => 'owned' in window)).toBe(true);
});
