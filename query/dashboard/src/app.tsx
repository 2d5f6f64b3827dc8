import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { DevicePage } from "./pages/device.tsx";
import { Devices } from "./pages/devices.tsx";
import { Explorer } from "./pages/explorer.tsx";
import { Overview } from "./pages/overview.tsx";
import { Tail } from "./pages/tail.tsx";
import { ConnectionBanner } from "./parts/connection-banner.tsx";
import { HelpDialog } from "./parts/help-dialog.tsx";
import { TokenField } from "./parts/token-field.tsx";
import { TopBar } from "./parts/top-bar.tsx";
import { shortcutsOf, useShortcuts } from "./parts/use-shortcuts.ts";
import { useServices } from "./services.ts";
import type { PageName } from "./state/url-state.ts";

const pages = { overview: Overview, devices: Devices, device: DevicePage, explorer: Explorer, tail: Tail };
const titles: Readonly<Record<PageName, string>> = {
  overview: "Overview",
  devices: "Devices",
  device: "Device",
  explorer: "Explorer",
  tail: "Live tail",
};

export function App() {
  const services = useServices();
  const { link, feed } = services;
  const isHelpOpen = useSignal(false);
  const shortcuts = useMemo(() => shortcutsOf(services, () => (isHelpOpen.value = true)), [services, isHelpOpen]);
  useShortcuts(shortcuts);
  const { page, deviceId } = link.state.value;

  // A group by label is the explorer's.
  useSignalEffect(() => {
    const state = link.state.value;
    const isExplorer = state.page === "explorer";
    feed.show({
      range: state.range,
      tier: state.tier,
      groupBy: isExplorer ? state.groupBy : [],
      where: isExplorer ? state.where : [],
    });
  });
  useFocusOnPage(page, deviceId);

  const Page = pages[page];
  const ignored = link.ignored.value;
  return (
    <>
      <TopBar onHelp={() => (isHelpOpen.value = true)} />
      <ConnectionBanner />
      <main id="main" tabIndex={-1}>
        <TokenField />
        {ignored.length > 0 && (
          <p class="problem" role="alert">
            Not all of the link could be used: {ignored.join(", ")}.
          </p>
        )}
        {/* Made anew with another device: nothing of the one before is shown under its name. */}
        <Page key={page + deviceId} />
      </main>
      <HelpDialog isOpen={isHelpOpen.value} shortcuts={shortcuts} onClose={() => (isHelpOpen.value = false)} />
    </>
  );
}

/** Another page is told to who does not see it: its title, and the focus at its beginning. */
function useFocusOnPage(page: PageName, deviceId: string): void {
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${deviceId === "" ? titles[page] : deviceId} - Tidemark`;
    if (isFirst.current) isFirst.current = false;
    else document.getElementById("main")?.focus({ preventScroll: true });
  }, [page, deviceId]);
}
