/** How many values there are, their mean, and their variance: that of a sample, divided by one fewer. */
export function momentsOf(values: readonly number[]) {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, count - 1);
  return { count, mean, variance };
}
