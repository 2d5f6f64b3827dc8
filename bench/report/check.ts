import { invalidField, type TelemetryError } from "../../lib/base/errors.ts";

/** Makes a value out of one that was read. @throws TelemetryError naming the field, when it is not what it should be */
export type Check<T> = (value: unknown, field: string) => T;

/** Other keys than these are left out: a later version may have more of them. */
export function objectOf<T extends object>(fields: { readonly [K in keyof Required<T>]: Check<T[K]> }): Check<T> {
  const checks = Object.entries<Check<unknown>>(fields);
  return (value, field) => {
    const from = record(value, field);
    const parts = checks.map(([name, check]) => [name, check(from[name], field === "" ? name : `${field}.${name}`)]);
    return Object.fromEntries(parts.filter(([, part]) => part !== undefined)) as T;
  };
}

export function arrayOf<T>(check: Check<T>): Check<readonly T[]> {
  return (value, field) => {
    if (!Array.isArray(value)) throw wrong(value, field, "a list");
    return value.map((each: unknown, i) => check(each, `${field}[${i}]`));
  };
}

export function recordOf<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value, field) =>
    Object.fromEntries(
      Object.entries(record(value, field)).map(([name, each]) => [name, check(each, `${field}.${name}`)]),
    );
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, field) => (value === undefined ? undefined : check(value, field));
}

export function oneOf<const T extends string | number>(...allowed: readonly T[]): Check<T> {
  return (value, field) => {
    const found = allowed.find((each) => each === value);
    if (found === undefined) throw wrong(value, field, `one of ${allowed.join(", ")}`);
    return found;
  };
}

export const text: Check<string> = (value, field) => {
  if (typeof value !== "string") throw wrong(value, field, "a text");
  return value;
};

export const flag: Check<boolean> = (value, field) => {
  if (typeof value !== "boolean") throw wrong(value, field, "true or false");
  return value;
};

export const amount: Check<number> = (value, field) => {
  if (typeof value !== "number" || value < 0) throw wrong(value, field, "a number from 0");
  return value;
};

export const count: Check<number> = (value, field) => {
  if (!Number.isSafeInteger(value) || amount(value, field) < 0) throw wrong(value, field, "a whole number from 0");
  return value as number;
};

/** JSON has null for what is no number. */
export const numberOrNaN: Check<number> = (value, field) => {
  if (value === null) return Number.NaN;
  if (typeof value !== "number") throw wrong(value, field, "a number or null");
  return value;
};

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong(value, field, "an object");
}

export function wrong(value: unknown, field: string, expected: string): TelemetryError {
  const told = value === undefined ? "is missing" : `is ${JSON.stringify(value).slice(0, 60)}`;
  return invalidField(field === "" ? "the file" : field, told, `it should be ${expected}`);
}
