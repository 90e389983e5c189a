/**
 * Every bound of the embedded database server, with its unit and its reason. Nothing else in this
 * folder holds a number that decides how much or how long.
 */

/** One request's body: a batch of some thousand rows, and far below what would hurt the process. */
export const BODY_BYTES_MAX = 8 * 1024 * 1024;

/** One pipeline's rows; hosted libSQL stops at the same size, so that paging is tested here too. */
export const RESPONSE_BYTES_MAX = 10 * 1024 * 1024;

/** Requests in one pipeline; the client sends at most some thirty stored texts and a batch. */
export const PIPELINE_REQUEST_COUNT_MAX = 256;

/** Steps in one batch: more than a seed script needs, and bounded work for one answer. */
export const BATCH_STEP_COUNT_MAX = 10_000;

/** Nesting of a batch condition; the client writes two levels, and evaluation recurses. */
export const CONDITION_DEPTH_MAX = 16;

/** Streams that live at once, parked or at work. One more is answered with 503. */
export const STREAM_COUNT_MAX = 512;

/** Statements that wait for the write lock at once. One more is SQLITE_BUSY without a wait. */
export const WAITING_WRITER_COUNT_MAX = 256;

/** Texts that one stream may store by number; the client keeps thirty. */
export const STORED_SQL_COUNT_MAX = 150;

/** Characters of all stored texts of one stream. */
export const STORED_SQL_CHARACTERS_MAX = 1024 * 1024;

/** Open connections that are kept for the next stream; opening one costs a tenth of a millisecond. */
export const IDLE_CONNECTION_COUNT_MAX = 8;

/** A stream without a request is rolled back and forgotten after this; hosted libSQL does the same. */
export const STREAM_IDLE_MS_MAX = 10_000;

/** Longer than an idle stream lives, so that an abandoned writer delays others without failing them. */
export const WRITER_WAIT_MS_MAX = 15_000;

/** How long another process may hold the file's write lock before SQLITE_BUSY is answered. */
export const BUSY_WAIT_MS_MAX = 5_000;

/** Pause between two tries at a file that another process has locked. */
export const BUSY_RETRY_MS = 10;

/** How long the start waits for another process to let go of the file. */
export const START_WAIT_MS_MAX = 5_000;

/** How long a close waits for answers under way before their sockets are cut. */
export const CLOSE_WAIT_MS_MAX = 2_000;

/** Time to receive one whole request on loopback. */
export const REQUEST_READ_MS_MAX = 10_000;

/** Idle sockets are kept longer than a person pauses between two clicks. */
export const KEEP_ALIVE_MS = 65_000;
