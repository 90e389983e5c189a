/** The module that hosts run, against the table of what they need to know of it. */
import { expect, it } from "vitest";
import { DURABLE_OBJECTS } from "../../worker/deployment.ts";
import * as deployed from "../../worker/index.ts";
import * as selfHosted from "../../worker/self-hosted.ts";

it.each([
  ["Cloudflare and Miniflare", deployed],
  ["plain workerd", selfHosted],
])("the module for %s exports every Durable Object's class, and no other", (_host, module) => {
  const classes = Object.keys(module).filter((name) => name !== "default");
  expect(classes.toSorted()).toEqual(DURABLE_OBJECTS.map(({ className }) => className).toSorted());
});
