// Statistics of the benchmark drivers.

export function median(values) {
  if (values.length === 0) throw new Error('there are no values to take the median of');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Rounded to so many decimals. */
export function rounded(value, decimals = 3) {
  return Number(value.toFixed(decimals));
}
