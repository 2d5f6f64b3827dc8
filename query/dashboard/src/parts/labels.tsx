/** Labels of a device, set or sent. */
export function Labels({ of }: { readonly of: Readonly<Record<string, string>> }) {
  const labels = Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1));
  if (labels.length === 0) return <span class="hint">none</span>;
  return (
    <ul class="labels">
      {labels.map(([key, value]) => (
        <li key={key}>
          {key}={value}
        </li>
      ))}
    </ul>
  );
}
