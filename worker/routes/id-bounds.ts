/** Ids are opaque to callers: any text of a sane length may be asked for, and not be found. */

export const ID_CHARACTERS_MAX = 64;
