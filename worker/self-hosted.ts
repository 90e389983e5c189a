/**
 * The Worker as plain workerd runs it, without Cloudflare's edge in front: what that edge would have
 * told of a request is put in its place here.
 */
import { linkRush } from "./hub/link-rush.ts";
import { withPeerAddress } from "./peer-address.ts";
import type { Env } from "./env.ts";
import worker from "./index.ts";

// One process, one isolate: each hub is in this one.
linkRush.countHubs();

// workerd looks for the Durable Objects' classes in this module.
export * from "./index.ts";

// oxlint-disable-next-line import/no-default-export -- workerd calls the default export
export default {
  ...worker,
  fetch: (request: Request, env: Env, context: ExecutionContext): Response | Promise<Response> => {
    const peer = request.cf?.["clientIp"];
    return worker.fetch(
      withPeerAddress(request, typeof peer === "string" ? peer : null),
      env,
      context,
    );
  },
};
