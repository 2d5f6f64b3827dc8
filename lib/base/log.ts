/** What a program that reads logs may want of a line, by OpenTelemetry's names where there are some. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

/** Tells an operator what happened: one line each. Never holds samples or secrets. */
export interface Log {
  /** What helps to find a fault, and is too much otherwise: each call. */
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
}

export const logLevels = ["debug", "info", "warn"] as const;
export type LogLevel = (typeof logLevels)[number];

/** For people: fields are left to those who read JSON, but for `debug`, whose messages say nothing without. */
export function streamLog(out: { write(text: string): unknown }, level: LogLevel = "info"): Log {
  const isTold = (each: LogLevel) => logLevels.indexOf(each) >= logLevels.indexOf(level);
  const tell = (each: LogLevel, text: string) => void (isTold(each) && out.write(`tidemark: ${text}\n`));
  return {
    debug: (message, fields = {}) => tell("debug", `debug: ${message} ${formatFields(fields)}`.trimEnd()),
    info: (message) => tell("info", message),
    warn: (message) => tell("warn", `warning: ${message}`),
  };
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? JSON.stringify(value) : value}`)
    .join(" ");
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {} };
