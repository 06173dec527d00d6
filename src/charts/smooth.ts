/**
 * Values without their noise: an exponential moving average, corrected for its beginning, as in TensorBoard.
 *
 * `weight`: of what came before, 0 (as they are) to below 1. Gaps stay gaps.
 */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  let mean = 0;
  let share = 1; // of the average that its beginning at zero still makes up
  return values.map(value => {
    if (value === null) {
      return null;
    }
    mean = mean * weight + value * (1 - weight);
    share *= weight;
    return mean / (1 - share);
  });
}
