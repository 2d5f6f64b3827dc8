import { watermarkOf } from "../lib/aggregate/watermark.ts";
import type { AggregateReader } from "../lib/store/store.ts";

/** Watermarks of devices at one moment, each read once. */
export class DeviceWatermarks {
  readonly #reader: AggregateReader;
  readonly #nowMs: number;
  readonly #latenessMs: number;
  readonly #watermarksMs = new Map<number, number>();

  constructor(reader: AggregateReader, { nowMs, latenessMs }: { nowMs: number; latenessMs: number }) {
    this.#reader = reader;
    this.#nowMs = nowMs;
    this.#latenessMs = latenessMs;
  }

  /** @param device `Device.id` */
  of(device: number): number {
    let watermarkMs = this.#watermarksMs.get(device);
    if (watermarkMs === undefined) {
      watermarkMs = watermarkOf(this.#reader.progress(device), this.#nowMs, this.#latenessMs);
      this.#watermarksMs.set(device, watermarkMs);
    }
    return watermarkMs;
  }
}
