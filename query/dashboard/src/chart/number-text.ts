/** Made once: to make one takes longer than all that a chart draws. */
const formats = {
  short: new Intl.NumberFormat("en", { maximumSignificantDigits: 5 }),
  long: new Intl.NumberFormat("en", { maximumSignificantDigits: 8 }),
};

/** A value as people read it: five digits that count, without zeros that do not. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "none";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e12)) return value.toExponential(3);
  return formats[size >= 1e5 ? "long" : "short"].format(value);
}

/** A UCUM code as people write it; of a counter, which is drawn as its rate, per second. Empty: there is none. */
export function unitText(code: string, isCounter: boolean): string {
  const unit =
    code === "1"
      ? ""
      : code
          .replaceAll(/[{}]/g, "")
          .replaceAll(".", "\u00b7")
          .replace(/^Cel\b/, "\u00b0C");
  return isCounter ? `${unit || "1"}/s` : unit;
}

/** `12.3 MiB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** `85 ms`, `1.2 s`, `3 min`, `2 h`, `4 d`: how long something took, or is ago. */
export function spanText(ms: number): string {
  const size = Math.max(0, ms);
  if (size < 1_000) return `${numberText(Math.round(size * 10) / 10)} ms`;
  if (size < 60_000) return `${(size / 1_000).toFixed(1)} s`;
  if (size < 3_600_000) return `${Math.round(size / 60_000)} min`;
  if (size < 86_400_000) return `${Math.round(size / 3_600_000)} h`;
  return `${Math.round(size / 86_400_000)} d`;
}
