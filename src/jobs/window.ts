/** Which rows of a long list to draw. Pure: heights in, rows out. */
export interface IRowWindow {
  /** Pixels from the top, one more than there are rows: the last is the height of the list. */
  readonly tops: Float64Array;
  /** First row to draw. */
  readonly first: number;
  /** The row after the last one to draw. */
  readonly end: number;
}

/** Rows drawn beyond either edge, so that scrolling shows no gap before the next frame. */
const OVERSCAN_PX = 300;

export function topsOf(heights: readonly number[]): Float64Array {
  const tops = new Float64Array(heights.length + 1);
  heights.forEach((height, index) => {
    tops[index + 1] = tops[index] + height;
  });
  return tops;
}

export function windowOf(tops: Float64Array, scrollTop: number, viewport: number): IRowWindow {
  const count = tops.length - 1;
  const first = rowAt(tops, scrollTop - OVERSCAN_PX);
  const last = rowAt(tops, scrollTop + viewport + OVERSCAN_PX);
  return { tops, first, end: Math.min(count, last + 1) };
}

/** The row that holds a pixel; the nearest one outside the list. */
export function rowAt(tops: Float64Array, pixel: number): number {
  let low = 0;
  let high = Math.max(0, tops.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tops[middle] <= pixel) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}
