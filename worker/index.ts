/** The Worker: what the platform calls. */
import { createApp } from "./app.ts";

export { RelayHub } from "./hub/relay-hub.ts";

const app = createApp();

// oxlint-disable-next-line import/no-default-export -- the platform calls the default export
export default { fetch: app.fetch };
