import { describeHost } from "./host-cases.ts";
import { SELFHOST } from "../../harness/running-host.ts";

describeHost(SELFHOST);
