import { useServices } from "../services.ts";
import { themeNames } from "../state/settings.ts";
import type { PageName } from "../state/url-state.ts";

const links: readonly [PageName, string][] = [
  ["overview", "Overview"],
  ["devices", "Devices"],
  ["explorer", "Explorer"],
  ["tail", "Live tail"],
];

/** Ways to the pages, and what holds for all of them. */
export function TopBar({ onHelp }: { readonly onHelp: () => void }) {
  const { link, settings } = useServices();
  const { page, zone } = link.state.value;
  return (
    <header class="top">
      {/* biome-ignore lint/a11y/useValidAnchor: it goes to a part of the page, as a link does */}
      <a class="skip" href="#main" onClick={onSkip}>
        Skip to the page
      </a>
      <p class="brand">
        <img src="/icon.svg" width="22" height="22" alt="" /> <span class="wide-text">Tidemark</span>
      </p>
      <nav aria-label="Pages">
        {links.map(([name, text]) => (
          <a
            key={name}
            href={link.href({ page: name, deviceId: "" })}
            aria-current={page === name ? "page" : undefined}
          >
            {text}
          </a>
        ))}
      </nav>
      <div class="top-tools">
        <button type="button" onClick={() => link.replace({ zone: zone === "utc" ? "local" : "utc" })}>
          Times: {zone === "utc" ? "UTC" : "local"}
        </button>
        <label>
          <span class="wide-text">Theme</span>{" "}
          <select
            value={settings.theme.value}
            onChange={({ currentTarget }) =>
              settings.setTheme(themeNames.find((name) => name === currentTarget.value) ?? "system")
            }
          >
            {themeNames.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={onHelp} aria-keyshortcuts="?">
          Keys
        </button>
      </div>
    </header>
  );
}

/** The address is the page's state: the jump must not change it. */
function onSkip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
