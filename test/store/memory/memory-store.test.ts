import { MemoryStore } from "../../../lib/store/memory/memory-store.ts";
import { storeContract } from "../store-contract.ts";

storeContract("MemoryStore", (tiers) => {
  const store = new MemoryStore(tiers);
  return { store, reader: store };
});
