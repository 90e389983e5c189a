/** The clock on the real platform: its alarm, what outlives its memory, and its routes. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { wakeClock } from "../../../worker/jobs/clock.ts";
import { JOBS } from "../../../worker/jobs/jobs.ts";
import { auditOf, call, env, expectProblem, makeUser, read } from "../api/api-client.ts";

const clock = () => env.CLOCK.get(env.CLOCK.idFromName("clock"));

interface Job {
  readonly name: string;
  readonly startedAt: string | null;
  readonly succeededAt: string | null;
  readonly error: string | null;
  readonly running: boolean;
}

async function jobsOf(token: string): Promise<Job[]> {
  return (await read(await call("/jobs", { token }), 200))["items"] as Job[];
}

/** As where the settings do not keep the clock from going; the tests' bindings do. */
async function ringUnderWay(): Promise<void> {
  await runInDurableObject(clock(), (instance) => {
    Object.assign(instance, { env: { ...env, KERBSIDE_JOBS: "on" } });
  });
  await wakeClock({ ...env, KERBSIDE_JOBS: "on" });
  // The alarm is due at once: the platform may have rung already.
  await runDurableObjectAlarm(clock());
}

describe("the clock", () => {
  it("runs every job that is due, sets its alarm anew, and remembers after its memory is gone", async () => {
    const admin = await makeUser("admin");
    await ringUnderWay();
    await expect
      .poll(async () =>
        (await jobsOf(admin.token)).every(({ succeededAt }) => succeededAt !== null),
      )
      .toBe(true);
    await expect
      .poll(() => runInDurableObject(clock(), (_, state) => state.storage.getAlarm()))
      .toEqual(expect.any(Number));
    await evictDurableObject(clock());
    const jobs = await jobsOf(admin.token);
    expect(jobs.map(({ name }) => name)).toEqual(JOBS.map(({ name }) => name));
    for (const job of jobs) {
      expect(job).toMatchObject({ error: null, running: false, startedAt: expect.any(String) });
      expect(job.succeededAt).not.toBeNull();
    }
  });

  it("is not set where the settings say so, and a ring that comes all the same does nothing", async () => {
    const other = env.CLOCK.get(env.CLOCK.idFromName("another"));
    await wakeClock({
      CLOCK: { idFromName: () => other.id, get: () => other } as unknown as typeof env.CLOCK,
      KERBSIDE_JOBS: "off",
    });
    expect(await runInDurableObject(other, (_, state) => state.storage.getAlarm())).toBeNull();
    await runInDurableObject(other, async (instance) => await instance.alarm());
    expect((await other.list()).every(({ run }) => run === null)).toBe(true);
  });
});

describe("a job that is asked for", () => {
  it("runs at once, and it is recorded who asked", async () => {
    const admin = await makeUser("admin");
    const path = "/jobs/sign-audit-checkpoint/run";
    await read(await call(path, { token: admin.token, method: "POST" }), 202);
    await expect
      .poll(async () => (await jobsOf(admin.token)).find(({ name }) => path.includes(name)))
      .toMatchObject({ running: false, error: null, succeededAt: expect.any(String) });
    const [asked] = await auditOf(admin, { type: "job.run-requested", actorId: admin.id });
    expect(asked).toMatchObject({ data: { job: "sign-audit-checkpoint" } });
  });

  it("is for admins; others who see how things fare see the jobs", async () => {
    const operator = await makeUser("operator");
    const user = await makeUser("user");
    const run = { method: "POST", token: operator.token };
    await expectProblem(await call("/jobs/sign-audit-checkpoint/run", run), 403, "auth.forbidden");
    expect(await jobsOf(operator.token)).toHaveLength(JOBS.length);
    await expectProblem(await call("/jobs", { token: user.token }), 403, "auth.forbidden");
  });

  it("has to be one of the table", async () => {
    const admin = await makeUser("admin");
    const run = { method: "POST", token: admin.token };
    await expectProblem(await call("/jobs/nothing/run", run), 404, "resource.not-found");
  });
});
