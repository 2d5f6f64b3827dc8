import { useServices } from "../services.ts";

/** Asks for a token where the server wants one. It is kept in memory, and sent to this server only. */
export function TokenField() {
  const { api, feed } = useServices();
  if (!api.needsToken.value) return null;

  function onSubmit(event: SubmitEvent): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = new FormData(form).get("token");
    if (typeof text !== "string" || text.trim() === "") return;
    api.token.value = text.trim();
    api.needsToken.value = false;
    form.reset();
    feed.restart();
  }

  return (
    <form class="token" onSubmit={onSubmit} aria-label="Sign in">
      <label for="token">This server wants a token with the scope query</label>
      <input id="token" name="token" type="password" autocomplete="off" spellcheck={false} required />
      <button type="submit">Use it</button>
      <p class="hint">It is forgotten when this tab is closed. Make one with: tidemark access token</p>
    </form>
  );
}
