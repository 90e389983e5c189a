/** The program of a worker process in a checkout; the one-file relay is its own. */
import { runWorker } from "./run-worker.ts";

runWorker();
