import type { TranslationBundle } from '@jupyterlab/translation';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, RefObject } from 'react';

import type { BackendInfo, JobSummary } from '../api';
import { useNow } from '../components';
import { JobRow, linesOf } from './row';
import type { IJobActions } from './row';
import { toggled } from './toggled';
import { rowAt, topsOf, windowOf } from './window';

export interface IJobListProps {
  jobs: readonly JobSummary[];
  marks: ReadonlyMap<string, string>;
  backends: readonly BackendInfo[];
  selected: ReadonlySet<string>;
  /** The job whose tab is in front. */
  openId: string | null;
  actions: IJobActions;
  onSelect: (selected: ReadonlySet<string>) => void;
  trans: TranslationBundle;
}

/** Shown ages are right to half a minute. */
const AGE_MS = 15_000;
/** Up to so many rows all are drawn, so that the browser's own search finds them. */
const DRAW_ALL = 100;
/** From this width on a row is one line of columns. */
const WIDE_PX = 640;
/** Padding of a row, above and below together; with the height of a line from the style sheet. */
const ROW_PADDING_PX = 13;

/** The jobs, one row each; only what is in view is drawn. One row is reached by Tab, the others by arrows. */
export const JobList = (props: IJobListProps): JSX.Element => {
  const { jobs, marks, backends, selected, actions, onSelect, trans } = props;
  const now = useNow(AGE_MS);
  const scroller = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLSpanElement>(null);
  const { scrollTop, viewport, line, isWide, onScroll } = useGeometry(scroller, probe);
  const [current, setCurrent] = useState({ id: '', index: 0 });
  const wantsFocus = useRef(false);
  /** Where a range of selected rows begins: the row that was selected last. */
  const anchor = useRef<string | null>(null);
  const latest = useRef(props);
  latest.current = props;

  const tops = useMemo(
    () => topsOf(jobs.map(job => (isWide ? 1 : linesOf(job)) * line + ROW_PADDING_PX)),
    [jobs, line, isWide]
  );
  const found = jobs.findIndex(job => job.id === current.id);
  // A deleted row hands its place to the one that takes it.
  const index = found >= 0 ? found : Math.max(0, Math.min(current.index, jobs.length - 1));
  const { first, end } =
    jobs.length <= DRAW_ALL ? { first: 0, end: jobs.length } : windowOf(tops, scrollTop, viewport);
  const rows = range(first, end);
  if (jobs.length > 0 && (index < first || index >= end)) {
    rows.push(index); // else the focus would be lost when the row scrolls away
  }

  const onFocus = useCallback(
    (id: string) => setCurrent({ id, index: jobs.findIndex(job => job.id === id) }),
    [jobs]
  );

  const moveTo = (to: number): void => {
    const next = Math.max(0, Math.min(jobs.length - 1, to));
    wantsFocus.current = true;
    setCurrent({ id: jobs[next].id, index: next });
    reveal(scroller.current, tops[next], tops[next + 1]);
  };

  const select = useCallback(
    (id: string, isRange: boolean): void => {
      const { jobs, selected, onSelect } = latest.current;
      const from = isRange ? jobs.findIndex(job => job.id === anchor.current) : -1;
      if (from < 0) {
        anchor.current = id;
        onSelect(toggled(selected, id));
        return;
      }
      const to = jobs.findIndex(job => job.id === id);
      const between = jobs.slice(Math.min(from, to), Math.max(from, to) + 1);
      onSelect(new Set([...selected, ...between.map(job => job.id)]));
    },
    [latest]
  );

  const onKeyDown = (event: KeyboardEvent): void => {
    const job = jobs.at(index);
    if (event.key === 'a' && (event.ctrlKey || event.metaKey)) {
      onSelect(new Set(jobs.map(({ id }) => id)));
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (!job || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    const page = rowAt(tops, tops[index] + viewport) - index;
    switch (event.key) {
      case 'ArrowDown':
        moveTo(index + 1);
        break;
      case 'ArrowUp':
        moveTo(index - 1);
        break;
      case 'PageDown':
        moveTo(index + Math.max(1, page));
        break;
      case 'PageUp':
        moveTo(Math.min(index - 1, rowAt(tops, tops[index] - viewport)));
        break;
      case 'Home':
        moveTo(0);
        break;
      case 'End':
        moveTo(jobs.length - 1);
        break;
      case 'Delete': {
        const chosen = jobs.filter(({ id }) => selected.has(id)).map(({ id }) => id);
        if (chosen.length > 0) {
          actions.removeAll(chosen);
        } else {
          actions.remove(job.id);
        }
        break;
      }
      case 'Escape':
        if (selected.size === 0) {
          return;
        }
        onSelect(new Set());
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const wasDeleted = found < 0 && current.id !== '';
  useEffect(() => {
    // A deleted row takes the focus with it, to nowhere.
    if (wantsFocus.current || (wasDeleted && document.activeElement === document.body)) {
      wantsFocus.current = false;
      scroller.current
        ?.querySelector<HTMLElement>('.mlk-JobRow-open[tabindex="0"]')
        ?.focus({ preventScroll: true });
    }
  }, [current, wasDeleted]);

  return (
    <>
      {isWide && <Columns trans={trans} />}
      <div className="mlk-JobList" ref={scroller} onScroll={onScroll} data-wide={isWide}>
        <span className="mlk-JobList-probe" ref={probe} aria-hidden="true" />
        <ul
          role="list"
          aria-label={trans.__('Jobs')}
          style={{ height: tops[jobs.length] }}
          onKeyDown={onKeyDown}
        >
          {rows.map(at => (
            <JobRow
              key={jobs[at].id}
              job={jobs[at]}
              mark={marks.get(jobs[at].id) ?? ''}
              backend={backends.find(({ name }) => name === jobs[at].backend)}
              showsPlace={backends.length > 1}
              now={now}
              position={at + 1}
              count={jobs.length}
              top={tops[at]}
              isCurrent={at === index}
              isOpen={jobs[at].id === props.openId}
              isSelected={selected.has(jobs[at].id)}
              isSelecting={selected.size > 0}
              isWide={isWide}
              onSelect={select}
              actions={actions}
              onFocus={onFocus}
              trans={trans}
            />
          ))}
        </ul>
      </div>
    </>
  );
};

/** What stands in which column, for eyes: each row says it all to readers. */
const Columns = ({ trans }: { trans: TranslationBundle }): JSX.Element => (
  <div className="mlk-JobColumns" aria-hidden="true">
    <span>{trans.__('Name')}</span>
    <span>{trans.__('Phase')}</span>
    <span>{trans.__('Progress')}</span>
    <span>{trans.__('Size and metric')}</span>
    <span>{trans.__('Age')}</span>
  </div>
);

/** What the browser says of sizes: height of the view and of a line (which follows the font), scroll. */
function useGeometry(
  scroller: RefObject<HTMLElement>,
  probe: RefObject<HTMLElement>
): {
  scrollTop: number;
  viewport: number;
  line: number;
  isWide: boolean;
  onScroll: () => void;
} {
  const [size, setSize] = useState({ viewport: 600, line: 19, isWide: false });
  const [scrollTop, setScrollTop] = useState(0);
  useLayoutEffect(() => {
    const measure = (): void => {
      const viewport = scroller.current?.clientHeight || 600;
      const line = probe.current?.getBoundingClientRect().height || 19;
      const isWide = (scroller.current?.clientWidth ?? 0) >= WIDE_PX;
      setSize(old =>
        old.viewport === viewport && old.line === line && old.isWide === isWide
          ? old
          : { viewport, line, isWide }
      );
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current as Element);
    observer.observe(probe.current as Element);
    return () => observer.disconnect();
  }, [scroller, probe]);
  const onScroll = useCallback(() => setScrollTop(scroller.current?.scrollTop ?? 0), [scroller]);
  return { ...size, scrollTop, onScroll };
}

/** Scrolls as little as needed to show what lies between two heights. */
function reveal(scroller: HTMLElement | null, top: number, bottom: number): void {
  if (!scroller) {
    return;
  }
  if (top < scroller.scrollTop) {
    scroller.scrollTop = top;
  } else if (bottom > scroller.scrollTop + scroller.clientHeight) {
    scroller.scrollTop = bottom - scroller.clientHeight;
  }
}

function range(first: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, offset) => first + offset);
}
