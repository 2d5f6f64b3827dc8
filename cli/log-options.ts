import { type Log, type LogLevel, logLevels, streamLog } from "../lib/base/log.ts";
import { setting } from "./options.ts";

export const logFormatSetting = () =>
  setting("--log-format <how>", "log to standard error as text for people, or as JSON, one object per line")
    .choices(["text", "json"] as const)
    .default("text" as const);
export const logLevelSetting = () =>
  setting("--log-level <level>", "what to log; debug has a line per call")
    .choices(logLevels)
    .default("info" as const);

export interface LogFlags {
  readonly logFormat: "text" | "json";
  readonly logLevel: LogLevel;
}

export async function logOf({ logFormat, logLevel }: LogFlags): Promise<Log> {
  if (logFormat === "text") return streamLog(process.stderr, logLevel);
  const { destination, pino, stdTimeFunctions } = await import("pino");
  const logger = pino(
    {
      level: logLevel,
      base: { "service.name": "tidemark" },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    // What is said last before a process ends is what is looked for.
    destination({ dest: process.stderr.fd, sync: true }),
  );
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
  };
}
