/** Tells an operator what happened: one line each. Never holds samples or secrets. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
}

export function streamLog(out: { write(text: string): unknown }): Log {
  return {
    info: (message) => void out.write(`tidemark: ${message}\n`),
    warn: (message) => void out.write(`tidemark: warning: ${message}\n`),
  };
}

export const silentLog: Log = { info: () => {}, warn: () => {} };
