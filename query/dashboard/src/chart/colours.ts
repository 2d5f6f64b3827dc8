/** A line that is told from others by its colour, and by its dashes where colours are not seen. */
export interface LineStyle {
  readonly light: string;
  readonly dark: string;
  /** Lengths of dash and space, in CSS pixels; empty: solid. */
  readonly dash: readonly number[];
  /** For words. */
  readonly name: string;
}

/**
 * Okabe and Ito, Color Universal Design (2008), without black and with yellow last. On white the light ones are darkened
 * and on black the dark ones lightened, to 3:1 (WCAG 1.4.11).
 */
const hues = [
  { light: "#0072b2", dark: "#3fa7e0", name: "blue" },
  { light: "#d55e00", dark: "#f08a3c", name: "vermilion" },
  { light: "#00805c", dark: "#1fbf92", name: "green" },
  { light: "#b0558a", dark: "#dd95bd", name: "purple" },
  { light: "#2a85b8", dark: "#56b4e9", name: "sky blue" },
  { light: "#a87300", dark: "#e69f00", name: "orange" },
  { light: "#857a00", dark: "#f0e442", name: "yellow" },
] as const;

const dashes = [
  { dash: [], name: "" },
  { dash: [10, 4], name: ", long dashes" },
  { dash: [10, 3, 2, 3], name: ", dashes and dots" },
] as const;

/** How provisional windows are drawn, whatever the line. */
export const provisionalDash: readonly number[] = [3, 3];

/** The style of the line with this number, counted from 0: 21 differ, then they begin again. */
export function lineStyle(number: number): LineStyle {
  const hue = hues[number % hues.length];
  const { dash, name } = dashes[Math.floor(number / hues.length) % dashes.length];
  return { light: hue.light, dark: hue.dark, dash, name: hue.name + name };
}

/** `#rrggbb` with an opacity, for bands. */
export function faded(colour: string, opacity: number): string {
  return (
    colour +
    Math.round(opacity * 255)
      .toString(16)
      .padStart(2, "0")
  );
}
