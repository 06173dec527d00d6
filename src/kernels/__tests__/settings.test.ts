import { Notification } from '@jupyterlab/apputils';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { trans } from '../../__tests__/fakes';
import { ApiError } from '../../api';
import type { Api, IdleSettings } from '../../api';
import type { IKernels } from '../../tokens';
import { LimitSettings } from '../settings';

const NONE: IdleSettings = { ttl: '', gpu_ttl: '', warn: '' };
const refusal = (status: number): ApiError =>
  new ApiError({ code: 'x', title: 'x', detail: 'It is not taken.', hint: '' }, status);

describe("a person's own limits", () => {
  const kernels = {
    settings: null as IdleSettings | null,
    error: null as ApiError | null,
    changed: new Signal<IKernels, void>({} as IKernels)
  };
  const request = vi.fn();
  let limits: LimitSettings;
  const sent = (): unknown[] => request.mock.calls.map(([, options]) => options.body);
  const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve));
  const hear = async (holds: IdleSettings | null = kernels.settings): Promise<void> => {
    kernels.settings = holds;
    kernels.changed.emit();
    await settle();
  };

  beforeEach(() => {
    kernels.settings = null;
    kernels.error = null;
    request.mockReset().mockResolvedValue({ values: {}, notes: [] });
    vi.spyOn(Notification, 'error').mockReturnValue('');
    limits = new LimitSettings({ request } as unknown as Api, kernels, trans);
  });

  afterEach(() => {
    kernels.changed = new Signal<IKernels, void>({} as IKernels);
    vi.restoreAllMocks();
  });

  it('are told where others hold on the server, and not where the same do', async () => {
    await limits.take({ idleTtl: ' 30m ' });
    expect(sent()).toEqual([]); // what holds is not known yet
    await hear(NONE);
    expect(sent()).toEqual([{ ttl: '30m', gpu_ttl: '', warn: '' }]);
    await hear({ ...NONE, ttl: '30m' });
    expect(request).toHaveBeenCalledOnce();
  });

  it('are taken back where they were emptied while the server was away', async () => {
    await hear({ ...NONE, ttl: '30m' });
    await limits.take({});
    expect(sent()).toEqual([NONE]);
  });

  it('are told when a person changes them, also where the server has not said what holds', async () => {
    await limits.take({});
    request.mockRejectedValueOnce(refusal(0));
    await limits.take({ idleTtl: '1h' });
    expect(request).toHaveBeenCalledOnce();
    expect(Notification.error).toHaveBeenCalledOnce();
  });

  it('ask nothing where nothing is set', async () => {
    await hear(NONE);
    await limits.take({});
    await limits.take({ idleTtl: '' });
    expect(request).not.toHaveBeenCalled();
  });

  it.each([0, 424, 503])(
    'are told again once a server is back that was away (%i)',
    async status => {
      await hear(NONE);
      request.mockRejectedValueOnce(refusal(status));
      await limits.take({ idleTtl: '1h' });
      kernels.error = refusal(0);
      await hear();
      expect(request).toHaveBeenCalledOnce();
      kernels.error = null;
      await hear();
      expect(sent()).toEqual(Array(2).fill({ ...NONE, ttl: '1h' }));
      await hear();
      expect(request).toHaveBeenCalledTimes(2);
    }
  );

  it.each([400, 500])('that a server refuses are not told again and again (%i)', async status => {
    await hear(NONE);
    request.mockRejectedValue(refusal(status));
    await limits.take({ idleTtl: 'soon' });
    await hear();
    await limits.take({ idleTtl: 'soon' });
    expect(request).toHaveBeenCalledOnce();
    expect(Notification.error).toHaveBeenCalledOnce();
    request.mockResolvedValue({ values: {}, notes: [] });
    await limits.take({ idleTtl: '1h' });
    expect(sent()[1]).toEqual({ ...NONE, ttl: '1h' });
  });

  it('do not set back what another window has set since', async () => {
    await hear(NONE);
    await limits.take({});
    await hear({ ...NONE, ttl: '2h' });
    expect(request).not.toHaveBeenCalled();
  });

  it('that change while others are told are told after them', async () => {
    await hear(NONE);
    let answer = (_: unknown): void => undefined;
    request.mockReturnValueOnce(new Promise(resolve => (answer = resolve)));
    const first = limits.take({ idleTtl: '1h' });
    await limits.take({ idleTtl: '2h' });
    expect(request).toHaveBeenCalledOnce();
    answer({ values: {}, notes: [] });
    await first;
    expect(sent()[1]).toEqual({ ...NONE, ttl: '2h' });
  });
});
