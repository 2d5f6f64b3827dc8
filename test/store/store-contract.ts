import { describe } from "vitest";
import type { Tier } from "../../lib/aggregate/tiers.ts";
import type { RawRetention } from "../../lib/store/raw-retention.ts";
import type { AggregateReader, AggregateStore, Journal, JournalReader } from "../../lib/store/store.ts";
import { catalogContract } from "./contract/catalog.ts";
import { catalogPagesContract } from "./contract/catalog-pages.ts";
import { changedContract } from "./contract/changed.ts";
import { commitContract } from "./contract/commit.ts";
import { journalContract } from "./contract/journal.ts";
import { mergedRangeContract } from "./contract/merged-range.ts";
import { rangeContract } from "./contract/range.ts";
import { rawSamplesContract } from "./contract/raw-samples.ts";
import { registryContract } from "./contract/registry.ts";
import { retentionContract } from "./contract/retention.ts";
import { selectionContract } from "./contract/selection.ts";
import { sessionsContract } from "./contract/sessions.ts";

export interface OpenStore {
  readonly store: AggregateStore & Journal;
  readonly reader: AggregateReader;
  readonly journal: JournalReader;
}

/** Opens a new, empty store and removes it when the test has finished. */
export type Open = (tiers: readonly Tier[], keepRaw?: RawRetention) => OpenStore;

/** What every store must do. */
export function storeContract(name: string, open: Open): void {
  describe(name, () => {
    describe("the journal", () => journalContract(open));
    describe("commit", () => commitContract(open));
    describe("sessions", () => sessionsContract(open));
    describe("the catalog", () => catalogContract(open));
    describe("pages of the catalog", () => catalogPagesContract(open));
    describe("a range", () => rangeContract(open));
    describe("a range of windows that are rolled up, or not yet", () => mergedRangeContract(open));
    describe("what changed since a commit", () => changedContract(open));
    describe("a selection", () => selectionContract(open));
    describe("the registry", () => registryContract(open));
    describe("retention", () => retentionContract(open));
    describe("groups that are kept as raw samples", () => rawSamplesContract(open));
  });
}
