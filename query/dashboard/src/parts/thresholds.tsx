import { useServices } from "../services.ts";

/** Values at which a line is drawn. */
export function Thresholds() {
  const { link } = useServices();
  const { thresholds } = link.state.value;

  function onChange({ currentTarget }: { currentTarget: HTMLInputElement }): void {
    const texts = currentTarget.value.split(/[\s;]+/).filter((text) => text !== "");
    const values = texts.map(Number);
    const isBad = values.length > 8 || !values.every(Number.isFinite);
    currentTarget.setCustomValidity(isBad ? "Write up to 8 numbers with spaces between, such as 20 80.5" : "");
    currentTarget.reportValidity();
    if (!isBad) link.replace({ thresholds: values });
  }

  return (
    <label>
      Thresholds{" "}
      <input
        key={thresholds.join(" ")}
        name="thresholds"
        size={10}
        defaultValue={thresholds.join(" ")}
        placeholder="none"
        onChange={onChange}
      />
    </label>
  );
}
