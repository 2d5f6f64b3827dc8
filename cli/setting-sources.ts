import type { Command } from "@commander-js/extra-typings";

/** Where a setting has its value from. */
export interface SettingSource {
  readonly name: string;
  /** As it was written; undefined: it is not set. */
  readonly value: unknown;
  /** `flag`, `environment`, `file` or `default`. */
  readonly from: "flag" | "environment" | "file" | "default";
  readonly description: string;
}

/** Keeps what was written for the settings of a command, which its values do not show. To be made before it is parsed. */
export class SettingSources {
  readonly #command: Command;
  readonly #written = new Map<string, string[]>();

  constructor(command: Command) {
    this.#command = command;
    for (const option of command.options) {
      const keep = (text: string | null) => this.#keep(option.name(), text ?? "true");
      command.on(`option:${option.name()}`, keep);
      command.on(`optionEnv:${option.name()}`, keep);
    }
  }

  /** @param file what the configuration file has for the command */
  read(file: Readonly<Record<string, unknown>>): SettingSource[] {
    return this.#command.options
      .filter(({ hidden }) => !hidden)
      .map((option) => {
        const source = this.#command.getOptionValueSource(option.attributeName());
        const name = option.name();
        const { description } = option;
        if (source === "config") return { name, value: file[name], from: "file", description };
        const texts = this.#written.get(name);
        if (source === "cli" || source === "env") {
          const from = source === "cli" ? "flag" : "environment";
          const isSwitch = option.isBoolean();
          const value = isSwitch ? this.#command.getOptionValue(option.attributeName()) : texts?.at(-1);
          return { name, value, from, description };
        }
        return { name, value: option.defaultValueDescription ?? option.defaultValue, from: "default", description };
      });
  }

  #keep(name: string, text: string): void {
    const before = this.#written.get(name);
    if (before === undefined) this.#written.set(name, [text]);
    else before.push(text);
  }
}
