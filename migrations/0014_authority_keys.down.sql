DROP TABLE authority_keys;
