DROP INDEX shares_unused_by_expiry;
